"""Evidence that blocks of rows are not like the reference, with a stated false-alarm budget.

A *block* is `Calibration.block_rows` rows of one model version in the order in which the log
stored them (or stored their labels). Use:

- `calibrate.calibrate(reference, sample, slices=...) -> Calibration`, once, at training; kept in
  the reference: `replace(reference, evidence=calibration.arrays())`, and read back by
  `calibration.calibration_of(reference)`, which raises `NotCalibratedError` for an older one.
- `scoring.score_rows(calibration, columns, slices=..., refused=...) -> BlockScores` for a block of
  rows, `scoring.score_labels(calibration, columns, history=..., slices=..., outside=...)` for one
  of labelled rows. Columns are those of `taxi_profiles.verdict.evaluate`, `MOMENT` may be NaN;
  `history` has the labelled rows (up to `gain.HISTORY`) right before the block. `count_rows` and
  `score_counts` are its two steps: counts of parts add up.
- `detector.Detector.start(calibration, side, budget_rows)`; `.after(scores)` returns the next one,
  `.judgement()` what it says; `.to_bytes()` and `.restored(data)` are exact. One detector for each
  `streams.Side`.
- `kinds.kind_of(judgement of rows, judgement of labels, labels) -> Kind`.
- `known_events.events_during(calendar, first, last)` names declared events; they change nothing.
- `self_test.self_test(calibration, budget_rows)` puts shifts through a copy of the engine.
- `borrowing.borrowing(calibration, predecessor)` for the short reference after a promotion.

Nothing here reads a clock or does any I/O: the same reference and blocks give the same judgement.
"""
