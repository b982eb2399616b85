//! `clearcall train`: a model from a folder of pictures.

use clearcall::train::{self, Loss, Progress, Terms, TrainConfig, TrainError};

use super::{Input as _, InputFault};
use crate::cli::TrainArgs;

/// Bounds the threads that trainings and experiments compute on.
pub(crate) fn limit_threads(threads: usize) {
    // It fails only where they run already.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
}

pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    if !super::has_extension(&args.output, "safetensors") {
        return Err(InputFault(format!("{} must end in .safetensors", args.output.display())).into());
    }
    let config = TrainConfig {
        pictures: args.pictures.clone(),
        clips: args.clips.clone(),
        clip_share: args.clip_share,
        out: args.output.clone(),
        channels: args.channels as usize,
        layers: args.layers as usize,
        steps: args.steps.into(),
        seed: args.seed,
        pairs_seed: args.pairs_seed,
        from: args.from.clone(),
        from_vivid: args.from_vivid.0,
        residual_gain: args.residual_gain,
        deadband_factor: args.deadband_factor,
        batch: args.batch as usize,
        patch: args.patch as usize,
        learning_rate: args.learning_rate,
        takes: args.takes,
        loss: Loss { epsilon: args.epsilon, gradient: args.edges },
        vivid: args.vivid.then_some(Terms {
            adversarial: args.adversarial,
            supervised: args.supervised,
            locality: args.locality,
            tangent: args.tangent,
            feature: args.feature,
            flat: args.flat,
            perceptual: if args.features.is_some() { args.perceptual } else { 0.0 },
            energy: args.energy,
            transport: args.transport,
        }),
        critic: args.critic,
        relativistic: args.relativistic,
        features: args.features.clone(),
        emphasis: args.emphasis,
        device: args.device,
        wide: !args.plain_blocks,
        by_qp: !args.ignore_qp,
        cache: args.cache.clone(),
        checkpoint: args.checkpoint.clone(),
        resume: args.resume,
        ..TrainConfig::default()
    };
    let bar = super::bar(Some(1), "filming");
    // In a pipe there is no bar, so the log's lines say where the run is.
    let say = |text: String| if bar.is_hidden() { out!("{text}") } else { bar.suspend(|| out!("{text}")) };
    let trained = train::run(&config, &mut |progress| match progress {
        Progress::Filming { done, pictures } => {
            bar.set_length(pictures as u64);
            bar.set_position(done as u64);
        }
        Progress::Ready { training, validation, step } => {
            bar.set_message("training");
            bar.set_length(config.steps);
            bar.set_position(step);
            bar.reset_eta();
            say(format!(
                "{training} frames to learn from, {validation} to judge by; from step {step}, threads: {}",
                rayon::current_num_threads()
            ));
        }
        Progress::Step { step, .. } => bar.set_position(step),
        Progress::Examined(health) => {
            for (who, health) in ["model", "bicubic", "truth"].into_iter().zip(health) {
                let [a, b, c, d] = health.sharpness;
                say(format!(
                    "{who}: rank {:.2} of 8, condition {:.1}, spread {:.3}, sharpness {a:+.2} {b:+.2} {c:+.2} {d:+.2} dB",
                    health.rank, health.condition, health.spread
                ));
            }
        }
        Progress::Validated { step, scores } => {
            say(format!(
                "step {step}: PSNR-Y {:.3} dB, bicubic {:.3} dB, gain {:+.3} dB",
                scores.model,
                scores.bicubic,
                scores.model - scores.bicubic
            ));
        }
    });
    bar.finish_and_clear();
    let model = match trained {
        Err(
            error @ (TrainError::Config(_)
            | TrainError::Features(_)
            | TrainError::Folder { .. }
            | TrainError::NoPictures(_)
            | TrainError::NoClips(_)
            | TrainError::Picture { .. }),
        ) => {
            return Err::<(), _>(error).input();
        }
        other => other?,
    };
    out!("{}: {} MAC per low-resolution pixel", args.output.display(), model.mac_per_pixel());
    Ok(())
}
