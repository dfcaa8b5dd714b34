/*
 * How good a stream of speech was: a mean opinion score by the E-model (ITU-T G.107), from what the
 * relay measures and the receiver reports.
 *
 * Simplified. All of the model's parameters have their defaults but packet loss, delay and codec, so
 *   R = 93.2 - Id - Ie,eff
 * where loss is taken as random (BurstR = 1) and buffers repeat the last packet:
 *   Ie,eff = Ie + (95 - Ie) * Ppl / (Ppl + Bpl)          (G.107 s7.5; Ie, Bpl: G.113 Appendix I)
 * and Id is the usual linear approximation of G.107 s7.4 without echo, good to about 400 ms:
 *   Id = 0.024 * Ta + 0.11 * (Ta - 177.3) for Ta > 177.3 ms, else 0.024 * Ta
 */
#pragma once

#include "base/text.h"

/** What is known of a stream, between the mouth that speaks and the ear that hears. */
struct mos_input {
    struct text codec;   /**< as in SDP: "PCMU", "G729"; case does not matter */
    double loss_percent; /**< Ppl: packets that did not arrive, 0 to 100 */
    double delay_ms;     /**< Ta: one way, with packets and buffers */
};

/** The transmission rating R, 0 to 93.2. @return negative: G.113 has no figures for that codec */
double mos_rating(const struct mos_input *input);
/** MOS of a rating (G.107 Annex B), 1.0 to 4.5. */
double mos_of_rating(double rating);
/**
 * How well a stream was heard, from what a relay in its middle knows.
 * @param packets, lost  that came here, and did not
 * @param reported_lost  what its receiver says it did not hear, which is lost on both hops together
 * @param rtt_ms         between the relay and either party, together; half of it is one way
 * @return MOS, 0: unknown (no packets, or a codec without figures)
 */
double mos_of_stream(struct text codec, uint64_t packets, int64_t lost, int64_t reported_lost,
                     double jitter_ms, double rtt_ms);
