//! `clearcall lab surface`: encoder, decoder, and the map between.

use clearcall::{
    lab::surface::{self, Sizes, Stage, SurfaceReport, figure},
    report,
};

use super::{figure_is, steps_bar};
use crate::{cli::SurfaceArgs, commands::Input as _};

pub(crate) fn run(args: &SurfaceArgs) -> anyhow::Result<()> {
    figure_is(args.output.output.as_deref(), "png")?;
    let sizes = Sizes {
        width: args.width.into(),
        steps: args.steps as usize,
        samples: args.samples as usize,
        guided: !args.unguided,
        ..Sizes::default()
    };
    let bar = steps_bar(Some(u64::from(args.steps)), "autoencoder");
    let study = surface::study(sizes, args.output.seed, &mut |stage, step| {
        bar.set_message(match stage {
            Stage::Autoencoder => "autoencoder",
            Stage::Map => "map",
            Stage::AtOnce => "both at once",
        });
        if stage != Stage::Map {
            bar.set_position(step as u64);
        }
    })
    .input()?;
    bar.finish_and_clear();
    if let Some(path) = &args.output.output {
        report::write_png(path, &figure::picture(&study)?).input()?;
    }
    if args.output.json {
        out!("{}", serde_json::to_string_pretty(&study.report)?);
    } else {
        say(&study.report);
    }
    Ok(())
}

fn say(report: &SurfaceReport) {
    out!("surface           area {:.4}, {} triangles", report.area, report.triangles);
    out!(
        "autoencoder       error {:.4}, {:.1} % of the area turned over",
        report.autoencoder_error,
        100.0 * report.folded
    );
    let (most, least) = report.stretch;
    out!("area in the code  {least:.3} to {most:.3} of the surface's");
    out!("linear pieces     encoder {}, decoder {}", report.encoder_pieces, report.decoder_pieces);
    out!("");
    out!(
        "{:<34} {:>9} {:>8} {:>7} {:>11} {:>8} {:>8} {:>10}",
        "",
        "variation",
        "largest",
        "at the",
        "off the",
        "error",
        "numbers",
        "s for a"
    );
    out!("{:<34} {:>9} {:>8} {:>7} {:>11} {:>8} {:>8} {:>10}", "", "", "hole", "head", "surface", "", "", "million");
    for g in &report.generators {
        let e = g.evenness;
        let error = g.error.map_or_else(String::new, |error| format!("{error:.4}"));
        out!(
            "{:<34} {:>9.3} {:>8.2} {:>5.1} % {:>11.4} {:>8} {:>8} {:>10.2}",
            g.name,
            e.variation,
            e.largest_hole,
            100.0 * e.head,
            e.off_surface,
            error,
            g.numbers,
            g.seconds.million
        );
    }
    if let Some(g) = report.generators.first() {
        let e = g.evenness;
        out!(
            "chance alone makes a variation of {:.3}; the head has {:.1} % of the area",
            e.chance,
            100.0 * e.head_area
        );
    }
}
