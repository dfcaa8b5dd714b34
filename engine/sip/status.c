/* Standard phrases of response codes (RFC 3261 s21 and the RFCs that add more). */
#include "sip/response.h"

/* clang-format off */
#define STATUSES(XX)                                                                               \
    XX(100, "Trying") XX(180, "Ringing") XX(181, "Call Is Being Forwarded") XX(182, "Queued")      \
    XX(183, "Session Progress") XX(199, "Early Dialog Terminated") XX(200, "OK")                   \
    XX(202, "Accepted") XX(204, "No Notification") XX(300, "Multiple Choices")                     \
    XX(301, "Moved Permanently") XX(302, "Moved Temporarily") XX(305, "Use Proxy")                 \
    XX(380, "Alternative Service") XX(400, "Bad Request") XX(401, "Unauthorized")                  \
    XX(402, "Payment Required") XX(403, "Forbidden") XX(404, "Not Found")                          \
    XX(405, "Method Not Allowed") XX(406, "Not Acceptable")                                        \
    XX(407, "Proxy Authentication Required") XX(408, "Request Timeout") XX(410, "Gone")            \
    XX(412, "Conditional Request Failed") XX(413, "Request Entity Too Large")                      \
    XX(414, "Request-URI Too Long") XX(415, "Unsupported Media Type")                              \
    XX(416, "Unsupported URI Scheme") XX(417, "Unknown Resource-Priority")                         \
    XX(420, "Bad Extension") XX(421, "Extension Required") XX(422, "Session Interval Too Small")   \
    XX(423, "Interval Too Brief") XX(424, "Bad Location Information")                              \
    XX(428, "Use Identity Header") XX(429, "Provide Referrer Identity") XX(430, "Flow Failed")     \
    XX(433, "Anonymity Disallowed") XX(436, "Bad Identity-Info")                                   \
    XX(437, "Unsupported Certificate") XX(438, "Invalid Identity Header")                          \
    XX(439, "First Hop Lacks Outbound Support") XX(440, "Max-Breadth Exceeded")                    \
    XX(469, "Bad Info Package") XX(470, "Consent Needed") XX(480, "Temporarily Unavailable")       \
    XX(481, "Call/Transaction Does Not Exist") XX(482, "Loop Detected") XX(483, "Too Many Hops")   \
    XX(484, "Address Incomplete") XX(485, "Ambiguous") XX(486, "Busy Here")                        \
    XX(487, "Request Terminated") XX(488, "Not Acceptable Here") XX(489, "Bad Event")              \
    XX(491, "Request Pending") XX(493, "Undecipherable") XX(494, "Security Agreement Required")    \
    XX(500, "Server Internal Error") XX(501, "Not Implemented") XX(502, "Bad Gateway")             \
    XX(503, "Service Unavailable") XX(504, "Server Time-out") XX(505, "Version Not Supported")     \
    XX(513, "Message Too Large") XX(555, "Push Notification Service Not Supported")                \
    XX(580, "Precondition Failure") XX(600, "Busy Everywhere") XX(603, "Decline")                  \
    XX(604, "Does Not Exist Anywhere") XX(606, "Not Acceptable") XX(607, "Unwanted")               \
    XX(608, "Rejected")
/* clang-format on */

const char *status_reason(unsigned status)
{
    switch (status) {
#define XX(code, phrase)                                                                           \
    case code: return phrase;
        STATUSES(XX)
#undef XX
    default: return "Unknown";
    }
}
