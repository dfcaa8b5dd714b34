/* The E-model, as far as a relay can know its parameters. */
#include "record/mos.h"

#define RATING_BEST     93.2  /* R0 - Is with all defaults (G.107 s7.7) */
#define KNEE_MS         177.3 /* delay beyond which a conversation suffers */
#define PACKET_MS       20    /* of speech in one packet */
#define BUFFER_JITTERS  2     /* a buffer holds so many times the jitter */
#define IMPAIRMENT_MOST 95.0

/* Equipment impairment and robustness against loss: G.113 Appendix I, tables I.1 and I.4. */
static const struct {
    struct text name;
    double impairment, robustness; /* Ie, Bpl */
} codecs[] = {
    {TEXT("PCMU"), 0, 25.1},  /* G.711 with concealment (its Appendix I) */
    {TEXT("PCMA"), 0, 25.1},  /* the same */
    {TEXT("G729"), 11, 19.0}, /* G.729A with VAD */
    {TEXT("G723"), 15, 16.1}, /* G.723.1 at 6.3 kbit/s with VAD */
    {TEXT("GSM-EFR"), 5, 10.0},
};

double mos_rating(const struct mos_input *input)
{
    double loss = input->loss_percent, delay = input->delay_ms > 0 ? input->delay_ms : 0;
    size_t i = 0;
    while (i < sizeof codecs / sizeof *codecs && !text_equal_nocase(codecs[i].name, input->codec))
        i++;
    if (i == sizeof codecs / sizeof *codecs)
        return -1;
    loss = loss < 0 ? 0 : loss > 100 ? 100 : loss;
    double impairment = codecs[i].impairment;
    if (loss > 0)
        impairment += (IMPAIRMENT_MOST - impairment) * loss / (loss + codecs[i].robustness);
    double rating = RATING_BEST - impairment - 0.024 * delay;
    if (delay > KNEE_MS)
        rating -= 0.11 * (delay - KNEE_MS);
    return rating > 0 ? rating : 0;
}

double mos_of_rating(double rating)
{
    if (rating <= 0)
        return 1;
    double mos = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6;
    return mos < 1 ? 1 : mos; /* the cubic dips below 1 for ratings under 6.5 */
}

double mos_of_stream(struct text codec, uint64_t packets, int64_t lost, int64_t reported_lost,
                     double jitter_ms, double rtt_ms)
{
    int64_t before = lost > 0 ? lost : 0;
    int64_t all = reported_lost > before ? reported_lost : before;
    double sent = (double)packets + (double)before;
    if (!packets)
        return 0;
    double rating = mos_rating(&(struct mos_input){
        .codec = codec,
        .loss_percent = 100 * (double)all / sent,
        .delay_ms = rtt_ms / 2 + BUFFER_JITTERS * jitter_ms + PACKET_MS,
    });
    return rating < 0 ? 0 : mos_of_rating(rating);
}
