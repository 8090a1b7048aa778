#!/bin/bash
# usage: git.sh start|stop|restart DIR
#
# Real Git remotes for tests: OpenSSH and nginx with git-http-backend, on loopback, on free ports, everything below DIR.
# Several may run at once. Needs root and Debian's openssh-server nginx-light fcgiwrap openssl python3. When `start`
# returns, the servers answer and DIR/env holds NAME=value lines for a shell:
#
#   AIE_TEST_GIT_DIR           DIR
#   AIE_TEST_GIT_BARE          the bare repository behind both addresses; more may be made beside it and reached likewise
#   AIE_TEST_GIT_SSH_URL       ssh, with AIE_TEST_GIT_SSH_KEY and AIE_TEST_GIT_KNOWN_HOSTS
#   AIE_TEST_GIT_HTTPS_URL     smart HTTPS, with AIE_TEST_GIT_USER and AIE_TEST_GIT_PASSWORD; AIE_TEST_GIT_CA goes to git as
#                              GIT_SSL_CAINFO, which beats a value that the machine may already have there
#   AIE_TEST_GIT_CREDENTIALS   user and password as a file for `credential.helper=store --file=…`
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/ports.sh"
verb=${1:?start, stop or restart}
D=$(mkdir -p "${2:?directory}" && cd "$2" && pwd -P)
cd "$D"

fail() { echo "git.sh: $*" >&2; exit 1; }

keys() {
  local key
  for key in host_key client_key; do
    [ -f $key ] || ssh-keygen -q -t ed25519 -N '' -C '' -f $key
  done
  cp client_key.pub authorized_keys
  chmod 600 authorized_keys
  [ -f cert.pem ] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout key.pem -out cert.pem 2>/dev/null
  echo "alice:$(openssl passwd -apr1 secret)" > htpasswd
}

configuration() {
  echo "[127.0.0.1]:$ssh $(cut -d' ' -f1,2 host_key.pub)" > known_hosts
  echo "https://alice:secret@127.0.0.1:$https" > credentials
  chmod 600 credentials
  cat > sshd_config <<C
Port $ssh
ListenAddress 127.0.0.1
HostKey $D/host_key
PidFile $D/run/sshd.pid
AuthorizedKeysFile $D/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
MaxStartups 100
C
  cat > nginx.conf <<C
pid $D/run/nginx.pid;
error_log $D/nginx.err;
user $(id -un);
worker_processes 1;
events {}
http {
  access_log $D/nginx.log;
  client_max_body_size 0;
  client_body_temp_path $D/run/body;
  proxy_temp_path $D/run/proxy;
  fastcgi_temp_path $D/run/fastcgi;
  uwsgi_temp_path $D/run/uwsgi;
  scgi_temp_path $D/run/scgi;
  server {
    listen 127.0.0.1:$https ssl;
    ssl_certificate $D/cert.pem;
    ssl_certificate_key $D/key.pem;
    location / {
      auth_basic git;
      auth_basic_user_file $D/htpasswd;
      fastcgi_pass unix:$D/run/fcgi.sock;
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $(git --exec-path)/git-http-backend;
      fastcgi_param GIT_PROJECT_ROOT $D/srv;
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param GIT_CONFIG_COUNT 1;
      fastcgi_param GIT_CONFIG_KEY_0 http.receivepack;
      fastcgi_param GIT_CONFIG_VALUE_0 true;
      fastcgi_param PATH_INFO \$uri;
      fastcgi_param REMOTE_USER \$remote_user;
      fastcgi_param GIT_PROTOCOL \$http_git_protocol;
    }
  }
}
C
}

# The daemons get no pipe of the caller's: whoever captures this script's output must see its end.
launch() {
  rm -f run/fcgi.sock
  setsid fcgiwrap -c 4 -s "unix:$D/run/fcgi.sock" </dev/null >>start.log 2>&1 &
  echo $! > run/fcgi.pid
  disown
  /usr/sbin/sshd -f "$D/sshd_config" -E "$D/sshd.log" </dev/null >>start.log 2>&1 || return 1
  nginx -e "$D/nginx.err" -c "$D/nginx.conf" </dev/null >>start.log 2>&1 || return 1
  wait_for "$ssh" 'SSH-2.0' && wait_for "$https" '' || return 1
  local end=$((SECONDS + 10))
  until [ -S run/fcgi.sock ]; do [ $SECONDS -lt $end ] || return 1; sleep 0.05; done
}

start() {
  case $D in *[!A-Za-z0-9/._-]*) fail "directory $D: use letters, digits, '.', '_' and '-' only" ;; esac
  [ ${#D} -le 90 ] || fail "directory $D: its name is too long for a Unix socket below it"
  [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
  mkdir -p srv run
  keys
  [ -d srv/proj.git ] || git init -q --bare -b main srv/proj.git
  local try
  for try in 1 2 3; do
    [ -f ports ] || free_ports 2 > ports
    read -r ssh https < ports
    configuration
    if launch; then
      cat > env.new <<C
AIE_TEST_GIT_DIR=$D
AIE_TEST_GIT_BARE=$D/srv/proj.git
AIE_TEST_GIT_SSH_URL=ssh://$(id -un)@127.0.0.1:$ssh$D/srv/proj.git
AIE_TEST_GIT_SSH_KEY=$D/client_key
AIE_TEST_GIT_KNOWN_HOSTS=$D/known_hosts
AIE_TEST_GIT_HTTPS_URL=https://127.0.0.1:$https/proj.git
AIE_TEST_GIT_CA=$D/cert.pem
AIE_TEST_GIT_USER=alice
AIE_TEST_GIT_PASSWORD=secret
AIE_TEST_GIT_CREDENTIALS=$D/credentials
C
      mv env.new env
      return 0
    fi
    stop
    [ "$verb" = start ] || break
    rm -f ports
  done
  cat start.log sshd.log nginx.err >&2 || true
  fail "the servers did not start in $D"
}

stop() {
  rm -f env
  stop_pid run/sshd.pid
  stop_pid run/nginx.pid
  stop_pid run/fcgi.pid -group
}

case $verb in
  start) start ;;
  stop) stop ;;
  restart) stop; start ;;
  *) fail "unknown verb $verb" ;;
esac
