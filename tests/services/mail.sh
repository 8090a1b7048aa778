#!/bin/bash
# usage: mail.sh start|stop|restart DIR
#
# A real mail server for tests: Dovecot (IMAP, LMTP) and Postfix (submission and plain SMTP), on loopback, on free ports,
# everything below DIR. Several may run at once. Needs root and Debian's dovecot-imapd dovecot-lmtpd postfix openssl
# python3. When `start` returns, the servers answer and DIR/env holds NAME=value lines for a shell:
#
#   AIE_TEST_MAIL_DIR              DIR, so that a test may restart its server (same ports, same mail)
#   AIE_TEST_HOST                  127.0.0.1, also named localhost in the certificate
#   AIE_TEST_IMAP_PORT             IMAP with STARTTLS          AIE_TEST_IMAPS_PORT            IMAP over TLS
#   AIE_TEST_SMTP_SUBMISSION_PORT  STARTTLS, then AUTH         AIE_TEST_SMTPS_PORT            TLS, then AUTH
#   AIE_TEST_SMTP_PORT             the plain MX: takes mail for the users from anybody
#   AIE_TEST_LMTP_PORT             Dovecot's own delivery
#   AIE_TEST_CA                    who signed the certificate  AIE_TEST_OTHER_CA              who did not
#   AIE_TEST_EXPIRED_HOST          the same IMAPS port at this address shows an expired certificate
#   AIE_TEST_MAIL_USER_A, AIE_TEST_MAIL_USER_B, AIE_TEST_MAIL_PASSWORD
#
# Mail to busy@example.test is refused for now (451), to closed@example.test for ever (550 5.7.1), to strangers with 550 5.1.1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/ports.sh"
verb=${1:?start, stop or restart}
D=$(mkdir -p "${2:?directory}" && cd "$2" && pwd -P)
cd "$D"

fail() { echo "mail.sh: $*" >&2; exit 1; }

certificates() {
  [ ! -f ready.tls ] || return 0
  mkdir -p tls/ca && touch tls/ca/index.txt
  local ca
  for ca in ca other-ca; do
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=test $ca" -addext basicConstraints=critical,CA:TRUE \
      -addext keyUsage=critical,keyCertSign,cRLSign -keyout tls/$ca.key -out tls/$ca.pem 2>/dev/null
  done
  openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout tls/key.pem -out tls/request.pem 2>/dev/null
  cat > tls/ca.cnf <<C
[ca]
default_ca = it
[it]
database = $D/tls/ca/index.txt
new_certs_dir = $D/tls/ca
certificate = $D/tls/ca.pem
private_key = $D/tls/ca.key
default_md = sha256
rand_serial = yes
unique_subject = no
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:127.0.0.2
C
  openssl ca -batch -notext -config tls/ca.cnf -in tls/request.pem -out tls/cert.pem -days 3650 2>/dev/null
  openssl ca -batch -notext -config tls/ca.cnf -in tls/request.pem -out tls/expired.pem -startdate 20200101000000Z -enddate 20200201000000Z 2>/dev/null
  touch ready.tls
}

dovecot_conf() {
  mkdir -p dv/run dv/state users
  chown nobody:nogroup users
  chmod 755 dv/run
  [ -f dv/passwd ] || {
    local hash
    hash="{CRYPT}$(openssl passwd -6 secret)"
    printf 'alice@example.test:%s::::::\nbob@example.test:%s::::::\n' "$hash" "$hash" > dv/passwd
  }
  cat > dv/dovecot.conf <<C
base_dir = $D/dv/run
state_dir = $D/dv/state
instance_name = testmail
log_path = $D/dv/dovecot.log
listen = 127.0.0.1
protocols = imap lmtp
ssl = yes
ssl_cert = <$D/tls/cert.pem
ssl_key = <$D/tls/key.pem
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_failure_delay = 0 secs
mail_max_userip_connections = 200
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
mail_location = maildir:%h/Maildir
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
default_login_user = dovenull
default_internal_user = dovecot
mailbox_idle_check_interval = 1s
local 127.0.0.2 {
  ssl_cert = <$D/tls/expired.pem
}
passdb {
  driver = passwd-file
  args = username_format=%u $D/dv/passwd
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$D/users/%u
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Drafts {
    auto = subscribe
    special_use = \Drafts
  }
  mailbox Sent {
    auto = subscribe
    special_use = \Sent
  }
  mailbox Archive {
    auto = subscribe
    special_use = \Archive
  }
  mailbox Trash {
    auto = subscribe
    special_use = \Trash
  }
  mailbox Junk {
    auto = subscribe
    special_use = \Junk
  }
}
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = $imap
  }
  inet_listener imaps {
    address = 127.0.0.1, 127.0.0.2
    port = $imaps
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $lmtp
  }
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = $auth
  }
}
protocol lmtp {
  postmaster_address = postmaster@example.test
}
C
}

postfix_conf() {
  mkdir -p pf/conf pf/spool pf/data
  chown postfix:postfix pf/data
  cat > pf/conf/main.cf <<C
compatibility_level = 3.6
queue_directory = $D/pf/spool
data_directory = $D/pf/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
syslog_name = testpostfix
maillog_file = $D/pf/postfix.log
maillog_file_prefixes = $D
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.test
mydestination =
mynetworks =
alias_maps =
virtual_mailbox_domains = example.test
virtual_mailbox_maps = inline:{ {alice@example.test=x}, {bob@example.test=x}, {busy@example.test=x}, {closed@example.test=x} }
virtual_transport = lmtp:inet:127.0.0.1:$lmtp
default_transport = error:outside delivery disabled in test
smtpd_tls_cert_file = $D/tls/cert.pem
smtpd_tls_key_file = $D/tls/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:$auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{ {busy@example.test = 451 4.3.0 come back later}, {closed@example.test = 550 5.7.1 not wanted here} }
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
disable_dns_lookups = yes
in_flow_delay = 0
smtputf8_enable = yes
C
  cat > pf/conf/master.cf <<C
127.0.0.1:$mx inet n - n - - smtpd
127.0.0.1:$submission inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:$smtps inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
C
}

# The daemons get no pipe of the caller's: whoever captures this script's output must see its end.
launch() {
  dovecot -c "$D/dv/dovecot.conf" </dev/null >>start.log 2>&1 && postfix -c "$D/pf/conf" start </dev/null >>start.log 2>&1 || return 1
  wait_for "$imap" '* OK' && wait_for "$lmtp" '220 ' && wait_for "$mx" '220 ' && wait_for "$submission" '220 ' \
    && wait_for "$imaps" '' && wait_for "$smtps" ''
}

start() {
  [ "$(id -u)" = 0 ] || fail "must run as root"
  case $D in *[!A-Za-z0-9/._-]*) fail "directory $D: use letters, digits, '.', '_' and '-' only" ;; esac
  [ ${#D} -le 70 ] || fail "directory $D: its name is too long for Unix sockets below it"
  chmod 755 "$D"
  setpriv --reuid=nobody --clear-groups test -x "$D" || fail "directory $D: not reachable for the user nobody"
  certificates
  local try
  for try in 1 2 3; do
    [ -f ports ] || free_ports 7 > ports
    read -r imap imaps lmtp auth mx submission smtps < ports
    dovecot_conf
    postfix_conf
    if launch; then
      cat > env.new <<C
AIE_TEST_MAIL_DIR=$D
AIE_TEST_HOST=127.0.0.1
AIE_TEST_IMAP_PORT=$imap
AIE_TEST_IMAPS_PORT=$imaps
AIE_TEST_SMTP_SUBMISSION_PORT=$submission
AIE_TEST_SMTPS_PORT=$smtps
AIE_TEST_SMTP_PORT=$mx
AIE_TEST_LMTP_PORT=$lmtp
AIE_TEST_CA=$D/tls/ca.pem
AIE_TEST_OTHER_CA=$D/tls/other-ca.pem
AIE_TEST_EXPIRED_HOST=127.0.0.2
AIE_TEST_MAIL_USER_A=alice@example.test
AIE_TEST_MAIL_USER_B=bob@example.test
AIE_TEST_MAIL_PASSWORD=secret
C
      mv env.new env
      return 0
    fi
    stop
    # After a restart the ports must stay the same, or the test's client would lose its server.
    [ "$verb" = start ] || break
    rm -f ports
  done
  cat start.log dv/dovecot.log pf/postfix.log >&2 || true
  fail "the servers did not start in $D"
}

stop() {
  rm -f env
  stop_pid pf/spool/pid/master.pid
  stop_pid dv/run/master.pid
}

case $verb in
  start) start ;;
  stop) stop ;;
  restart) stop; start ;;
  *) fail "unknown verb $verb" ;;
esac
