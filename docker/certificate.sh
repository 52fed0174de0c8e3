#!/bin/sh
# Makes a self-signed certificate for this machine, and a new one in the last week of the old. What others made is left as it is.
set -eu
cd /etc/filmyfly/tls

ours() {
    [ "$(openssl x509 -in cert.pem -noout -subject)" = "subject=CN = localhost" ]
}

good_for_a_week() {
    openssl x509 -in cert.pem -noout -checkend 604800 >/dev/null
}

if [ -e cert.pem ] && { ! ours || good_for_a_week; }; then
    exit 0
fi
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 -keyout key.pem.new -out cert.pem.new
mv key.pem.new key.pem
mv cert.pem.new cert.pem
