//! All figures as a person reads them.

use crate::evaluate::{
    Conditioning, Estimate, Matching, Quality, Report, Resynthesis, Robustness, Tonality, Variation,
};

/// The tables one below the other.
pub(super) fn table(report: &Report) -> String {
    let mut lines = vec![format!(
        "{}, {} pictures",
        report.model, report.extent.pictures
    )];
    for part in [
        resynthesis(&report.resynthesis),
        conditioning(&report.conditioning),
        tonality(&report.tonality),
        variation(&report.variation),
        matching(&report.matching),
        quality(&report.quality),
        robustness(&report.robustness),
    ] {
        lines.push(String::new());
        lines.extend(part);
    }
    lines.push(String::new());
    lines.push(format!("A piece takes {:.0} ms here", report.milliseconds));
    lines.join("\n")
}

fn resynthesis(resynthesis: &Resynthesis) -> Vec<String> {
    let (ours, theirs) = (resynthesis.model, resynthesis.griffin_lim);
    vec![
        format!(
            "Resynthesis of {} tracks         VAE + vocoder   Griffin-Lim",
            resynthesis.tracks
        ),
        format!(
            "  log-spectral distance, dB            {:8.2}      {:8.2}",
            ours.log_spectral_db, theirs.log_spectral_db
        ),
        format!(
            "  multi-resolution STFT loss           {:8.2}      {:8.2}",
            ours.multi_resolution, theirs.multi_resolution
        ),
        format!(
            "  mel-cepstral distortion, dB          {:8.2}      {:8.2}",
            ours.cepstral_db, theirs.cepstral_db
        ),
        format!(
            "    with frames warped in time         {:8.2}      {:8.2}",
            ours.warped_cepstral_db, theirs.warped_cepstral_db
        ),
    ]
}

fn conditioning(conditioning: &Conditioning) -> Vec<String> {
    let given = |value: Option<f64>| value.map_or("     -".into(), |value| format!("{value:6.2}"));
    let mut lines = vec![
        "Conditioning (Spearman)            generated  +-     from music  by rule  ceiling".into(),
    ];
    lines.extend(conditioning.factors.iter().map(|factor| {
        format!(
            "  {:33} {:6.2}   {:4.2}      {}   {:6.2}   {:6.2}",
            factor.factor,
            factor.generated,
            factor.standard_error,
            given(factor.from_music),
            factor.rule,
            factor.ceiling
        )
    }));
    lines.push(format!(
        "  {:33} {:6.2}             {}   {:6.2}   {:6.2}",
        "mean",
        conditioning.mean,
        given(conditioning.mean_from_music),
        conditioning.mean_rule,
        conditioning.mean_ceiling
    ));
    lines.push(format!("  {:33} {:7.3}", "shuffled", conditioning.shuffled));
    lines
}

/// A line for a mean with its standard error.
fn estimate(name: &str, value: Estimate) -> String {
    format!(
        "  {name:42} {:6.2} +- {:4.2}",
        value.mean, value.standard_error
    )
}

fn tonality(tonality: &Tonality) -> Vec<String> {
    vec![
        "Correlation with the best key".into(),
        estimate("generated", tonality.generated),
        estimate("  with its pitch classes permuted", tonality.permuted),
        estimate("resynthesised music", tonality.resynthesised),
        estimate("music", tonality.real),
    ]
}

fn variation(variation: &Variation) -> Vec<String> {
    let area = variation.mode;
    let value = |mean, standard_error| Estimate {
        mean,
        standard_error,
    };
    vec![
        format!("Mode and rhythm, {} pictures", variation.pictures),
        estimate(
            "mode of minimal pairs (AUC)",
            value(area.auc, area.standard_error),
        ),
        estimate(
            "mode of two seeds (Spearman)",
            value(variation.mode_of_two_seeds, variation.mode_standard_error),
        ),
        estimate(
            "onsets: two pictures, one seed",
            variation.rhythm_of_one_seed,
        ),
        estimate(
            "onsets: one picture, two seeds",
            variation.rhythm_of_one_picture,
        ),
        estimate(
            "onsets: the music of two pictures",
            variation.rhythm_of_real_music,
        ),
    ]
}

fn matching(matching: &Matching) -> Vec<String> {
    let mut lines = vec![format!("Matching, {} triplets", matching.triplets)];
    let shares = [
        ("own piece closer", matching.generated),
        ("with an untrained aligner", matching.untrained),
        ("with the music that belongs to it", matching.ceiling),
    ];
    let each = shares.map(|(name, share)| format!("  {name:36} {:5.1} %", 100.0 * share));
    lines.extend(each);
    lines
}

fn quality(quality: &Quality) -> Vec<String> {
    let frechet = &quality.frechet;
    let mut lines = vec![format!("Quality, {} pieces in every set", quality.pieces)];
    let distances = [
        ("Fréchet distance: generated", frechet.generated),
        ("  composed by rule", frechet.rule),
        ("  other music", frechet.music),
        ("  resynthesised music", frechet.resynthesised),
        ("  noise", frechet.noise),
        ("  silence", frechet.silence),
    ];
    lines.extend(distances.map(|(name, distance)| format!("  {name:36} {distance:6.3}")));
    lines.push(format!(
        "  silent {}, clipped {}, with DC {}, of {}",
        quality.silent, quality.clipped, quality.dc, quality.pieces
    ));
    lines.push(format!(
        "  loudness off by {:.1} dB on average, {:+.1} dB signed",
        quality.loudness_error_db, quality.loudness_bias_db
    ));
    lines
}

fn robustness(others: &[Robustness]) -> Vec<String> {
    let mut lines = vec!["Other pictures".into()];
    lines.extend(others.iter().map(|other| {
        let verdict = if other.good { "good" } else { "BAD" };
        format!(
            "  {:36} {verdict}   {:6.1} dBFS, peak {:.2}",
            other.picture, other.loudness_db, other.peak
        )
    }));
    lines
}
