//! `clearcall lab complexity`: how many linear pieces networks can have, have, and need.

mod count;
mod curves;
mod ladder;
mod turns;

use clearcall::model::{Model, Widths};
use serde::Serialize;

use super::{figure_is, steps_bar};
use crate::{
    cli::{BoundsArgs, ComplexityCommand},
    commands::Input as _,
};

pub(super) fn run(command: &ComplexityCommand) -> anyhow::Result<()> {
    match command {
        ComplexityCommand::Bounds(args) => bounds(args),
        ComplexityCommand::Count(args) => count::run(args),
        ComplexityCommand::Curves(args) => curves::run(args),
        ComplexityCommand::Ladder(args) => ladder::run(args),
        ComplexityCommand::Turns(args) => turns::run(args),
    }
}

/// One network in `bounds --json`.
#[derive(Debug, Serialize)]
struct Bounds {
    network: String,
    inputs: usize,
    hidden: Vec<usize>,
    units: usize,
    log2_reached: f64,
    log2_at_most: f64,
    log2_product: f64,
}

impl Bounds {
    fn new(network: String, widths: &Widths, log2_reached: f64) -> Self {
        Self {
            network,
            inputs: widths.inputs(),
            hidden: widths.hidden().to_vec(),
            units: widths.units(),
            log2_reached,
            log2_at_most: widths.log2_at_most(),
            log2_product: widths.log2_product(),
        }
    }
}

fn bounds(args: &BoundsArgs) -> anyhow::Result<()> {
    let dense = args.widths.iter().map(|widths| Bounds::new(widths.to_string(), widths, widths.log2_reached()));
    let mut rows: Vec<Bounds> = dense.collect();
    if !args.model.is_empty() || args.widths.is_empty() {
        for model in models(&args.model)? {
            rows.push(Bounds::new(model.name().to_owned(), &model.pixel_widths(), model.log2_pieces_reached()));
        }
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    out!("Logarithms to the base 2 of the number of linear pieces. The least is one piece, of weights that are zero.");
    out!(
        "{:<16}{:>8}{:>8}{:>17}{:>12}{:>14}",
        "network",
        "inputs",
        "units",
        "can be reached",
        "at most",
        "plain bound"
    );
    for b in rows {
        let [reached, most, product] = [b.log2_reached, b.log2_at_most, b.log2_product];
        out!("{:<16}{:>8}{:>8}{reached:>17.1}{most:>12.1}{product:>14.1}", b.network, b.inputs, b.units);
    }
    Ok(())
}

/// So many seeds from one on, around the end where there is one.
fn seeds(first: u64, count: u64) -> Vec<u64> {
    (0..count).map(|i| first.wrapping_add(i)).collect()
}

/// The models that are named, or all that are shipped, small ones first.
fn models(names: &[String]) -> anyhow::Result<Vec<Model>> {
    if names.is_empty() {
        let mut models: Vec<Model> = Model::shipped().map(Model::find).collect::<Result<_, _>>().input()?;
        models.sort_by_key(Model::mac_per_pixel);
        return Ok(models);
    }
    names.iter().map(|name| Model::find(name)).collect::<Result<_, _>>().input()
}
