#!/bin/sh
# gencerts.sh - throwaway CA, RSA and ECDSA edge certificates, next-hop certificate. Output: certs/ (not for git).
set -eu
cd "$(dirname "$0")"
[ -f certs/done ] && [ -f certs/localhost.pem ] && exit 0
mkdir -p certs && cd certs
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=bench CA" -keyout ca.key -out ca.pem 2>/dev/null
mk() { # name, cn, key args
  n=$1 cn=$2; shift 2
  openssl req -newkey "$@" -nodes -subj "/CN=$cn" -keyout "$n.key" -out "$n.csr" 2>/dev/null
  printf 'subjectAltName=DNS:%s,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature,keyEncipherment\n' "$cn" >"$n.ext"
  openssl x509 -req -in "$n.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile "$n.ext" -out "$n.pem" 2>/dev/null
  cat "$n.pem" "$n.key" >"$n.both.pem"
  rm -f "$n.csr" "$n.ext"
  chmod 644 "$n.key" "$n.both.pem"
}
mk edge-rsa sip.edge.test rsa:2048
mk edge-ec sip.edge.test ec -pkeyopt ec_paramgen_curve:P-256
mk edged-inside edge.bench.test ec -pkeyopt ec_paramgen_curve:P-256
mk nexthop pool01.contoso.test rsa:2048
# Whoever talks inside the web conferencing bench: edge, connector, meeting server.
mk localhost localhost ec -pkeyopt ec_paramgen_curve:P-256
: >done
