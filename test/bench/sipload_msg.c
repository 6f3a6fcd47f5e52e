/* sipload_msg.c - requests with headers of the kind a Lync/UCC client sends. */
#include "sipload.h"

const char AUTH[] =
    "Proxy-Authorization: TLS-DSK qop=\"auth\", realm=\"SIP Communications Service\", opaque=\"6D2F91A0\", "
    "targetname=\"pool01.contoso.test\", crand=\"0f8a3c11\", cnum=\"12\", "
    "response=\"602a32b4c7ff7c1ad01c7f9e80b0a1f3e5f90c24\"\r\n";
const char UA[] = "User-Agent: UCCAPI/16.0.4266.1001 OC/16.0.4266.1001 (Skype for Business)\r\n";

int build(struct conn *k, const char *method, char *b, size_t cap) {
  char ip[32];
  struct sockaddr_in a;
  socklen_t al = sizeof a;
  getsockname(k->fd, (void *)&a, &al);
  inet_ntop(AF_INET, &a.sin_addr, ip, sizeof ip);
  int port = ntohs(a.sin_port);
  int inv = !strcmp(method, "INVITE"), reg = !strcmp(method, "REGISTER"), opt = !strcmp(method, "OPTIONS");
  const char *bd = opt || reg ? "" : body_msg;
  int bl = opt || reg ? 0 : body_len;
  int n = snprintf(b, cap,
                   "%s sip:%s@contoso.test SIP/2.0\r\n"
                   "Via: SIP/2.0/TLS %s:%d;branch=z9hG4bK%08x%08x%08x;rport\r\n"
                   "Max-Forwards: 70\r\n"
                   "From: \"Alice Example\" <sip:alice%d@contoso.test>;tag=%08x%02x;epid=9d1c2ab311\r\n"
                   "To: <sip:bob@contoso.test>\r\n"
                   "Call-ID: %08xc1b94d8e8f2a17c6%08x\r\n"
                   "CSeq: %u %s\r\n"
                   "Contact: <sip:alice%d@%s:%d;transport=tls;ms-opaque=d3470f2e1d>;proxy=replace;+sip.instance=\"<urn:uuid:5D2C7B11-42B8-5AC1-A2C0-%012x>\"\r\n"
                   "%s"
                   "Supported: ms-dialog-route-set-update, timer\r\n"
                   "%s"
                   "%s"
                   "%s"
                   "Content-Length: %d\r\n\r\n%s",
                   method, reg ? "" : "bob", ip, port, runid, (unsigned)k->id, k->cseq, k->id, (unsigned)k->id * 2654435761u, k->dlg & 0xff,
                   runid ^ (unsigned)k->id, inv ? k->dlg : k->cseq, k->cseq, method, k->id, ip, port, (unsigned)k->id, UA, AUTH,
                   inv ? "Allow: INVITE, BYE, ACK, CANCEL, INFO, UPDATE, REFER, NOTIFY, BENOTIFY, OPTIONS\r\nms-keep-alive: UAC;hop-hop=yes\r\nms-subnet: 192.168.10.0\r\n"
                       : reg ? "Event: registration\r\nms-keep-alive: UAC;hop-hop=yes\r\nExpires: 3600\r\n" : "",
                   inv ? "Content-Type: application/sdp\r\n" : bl ? "Content-Type: text/plain; charset=UTF-8; msgr=WAAtAE0ATQBTAC0ASQBNAC0\r\n" : "",
                   bl, bd);
  if (reg) { /* R-URI of REGISTER has no user part */
    char *at = strstr(b, "sip:@");
    if (at) memmove(at + 4, at + 5, (size_t)(n - (at + 5 - b)) + 1), n--;
  }
  return n;
}
