//! What models produced, summed up.

use std::collections::BTreeMap;

use crate::Throughput;

/// What a sealed turn's steps produced.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// `credential/model`.
    pub(crate) model: String,
    pub(crate) output_tokens: u64,
    pub(crate) gen_ms: u64,
}

/// By model, in the order of their names. Turns without time of generation are left out.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<String, Throughput>);

impl Sums {
    pub(crate) fn add(&mut self, sample: Sample) {
        let Sample { model, output_tokens, gen_ms } = sample;
        if gen_ms == 0 {
            return;
        }
        let sum = self.0.entry(model.clone()).or_insert(Throughput {
            model,
            output_tokens: 0,
            gen_ms: 0,
            turns: 0,
        });
        sum.output_tokens = sum.output_tokens.saturating_add(output_tokens);
        sum.gen_ms = sum.gen_ms.saturating_add(gen_ms);
        sum.turns += 1;
    }

    pub(crate) fn finish(self) -> Vec<Throughput> {
        self.0.into_values().collect()
    }
}
