/* Timers of the transaction machines (RFC 3261 s17 and table 4, RFC 6026 s7-8), in milliseconds. */
#pragma once

#include "base/settings.h"

#define TIMER_TRANSACTION_FACTOR 64u    /* B, F, H, J, L, M: that many T1 */
#define TIMER_D_LEAST_MS         32000u /* s17.1.1.2 */
#define TIMER_SEND_FAILED_MS     1u     /* a send error is told as an event, not during the call */

/** 64*T1: how long a transaction is retried before it is given up, or lingers. */
static inline uint64_t timer_64_t1_ms(const struct settings *settings)
{
    return TIMER_TRANSACTION_FACTOR * settings->timers_t1_ms;
}

/* A: INVITE retransmission, T1 and then doubled each time; datagrams only. s17.1.1.2 */
static inline uint64_t timer_a_ms(const struct settings *settings)
{
    return settings->timers_t1_ms;
}

/* B: INVITE without any response. s17.1.1.2 */
static inline uint64_t timer_b_ms(const struct settings *settings)
{
    return timer_64_t1_ms(settings);
}

/* D: final responses may be retransmitted so long; 0 for streams. s17.1.1.2 */
static inline uint64_t timer_d_ms(const struct settings *settings)
{
    uint64_t ms = timer_64_t1_ms(settings);
    return ms > TIMER_D_LEAST_MS ? ms : TIMER_D_LEAST_MS;
}

/* E: non-INVITE retransmission, T1 doubled up to T2, T2 when Proceeding; datagrams only. s17.1.2.2 */
static inline uint64_t timer_e_ms(const struct settings *settings)
{
    return settings->timers_t1_ms;
}

/* F: non-INVITE without final response. s17.1.2.2 */
static inline uint64_t timer_f_ms(const struct settings *settings)
{
    return timer_64_t1_ms(settings);
}

/* G: retransmission of a non-2xx final response, T1 doubled up to T2; datagrams only. s17.2.1 */
static inline uint64_t timer_g_ms(const struct settings *settings)
{
    return settings->timers_t1_ms;
}

/* H: final response without ACK. s17.2.1 */
static inline uint64_t timer_h_ms(const struct settings *settings)
{
    return timer_64_t1_ms(settings);
}

/* I: retransmitted ACKs are absorbed so long; 0 for streams. s17.2.1 */
static inline uint64_t timer_i_ms(const struct settings *settings)
{
    return settings->timers_t4_ms;
}

/* 100 to a non-INVITE that nobody has answered: when its sender's Timer E has come to T2. RFC 4320 s4.1 */
static inline uint64_t timer_noninvite_trying_ms(const struct settings *settings)
{
    uint64_t interval_ms = timer_e_ms(settings), ms = interval_ms;
    while ((interval_ms *= 2) < settings->timers_t2_ms)
        ms += interval_ms;
    return ms;
}

/* J: retransmitted non-INVITE requests are answered so long; 0 for streams. s17.2.2 */
static inline uint64_t timer_j_ms(const struct settings *settings)
{
    return timer_64_t1_ms(settings);
}

/* K: retransmitted final responses are absorbed so long; 0 for streams. s17.1.2.2 */
static inline uint64_t timer_k_ms(const struct settings *settings)
{
    return settings->timers_t4_ms;
}

/* L: INVITE retransmissions are absorbed so long after a 2xx. RFC 6026 s7.1, s8.7 */
static inline uint64_t timer_l_ms(const struct settings *settings)
{
    return timer_64_t1_ms(settings);
}

/* M: 2xx from further branches downstream are passed up so long. RFC 6026 s7.2, s8.4 */
static inline uint64_t timer_m_ms(const struct settings *settings)
{
    return timer_64_t1_ms(settings);
}

/* After CANCEL: the INVITE is given up without a final response. s9.1 */
static inline uint64_t timer_cancel_ms(const struct settings *settings)
{
    return timer_64_t1_ms(settings);
}

/** The next interval of a doubling timer that stops at T2 (E, G). */
static inline uint64_t timer_doubled_ms(uint64_t interval_ms, const struct settings *settings)
{
    uint64_t doubled_ms = interval_ms * 2;
    return doubled_ms < settings->timers_t2_ms ? doubled_ms : settings->timers_t2_ms;
}
