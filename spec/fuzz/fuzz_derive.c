/* Bytes that an ICMP error brings back, and ACK and CANCEL made from what was sent. */
#include "transaction/derive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text bytes = {(const char *)data, size}, branch;
    enum method method;
    struct buffer out = {0};
    derive_branch(bytes, &method, &branch);
    derive_cancel(&out, bytes, TEXT("SIP;cause=200"));
    const struct message response = {0};
    derive_ack(&out, bytes, &response);
    buffer_release(&out);
    return 0;
}
