#!/bin/bash
# usage: first_hour.sh BIN_DIR
#
# Follows the README on a Debian root that is just made, from nothing to an answered mail: the owner's machine, the cloud
# machine, a mail from a stranger, the owner's signature, and the answer in the stranger's mailbox. Counts the commands
# that are typed, each of which must be in the README, and the time. Mail and Git servers are real ones, started by
# mail.sh and git.sh. Needs root and debootstrap. Both machines are users of one chroot; a real one has systemd, which
# starts the daemons.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
commands=0
most_commands=12
most_seconds=900

fail() { echo "first_hour.sh: $*" >&2; exit 1; }

# A command that the reader types: WHO, the README's words for it, and the command.
typed() {
  local who=$1 words=$2
  shift 2
  grep -qF -- "$words" "$here/../../README.md" || fail "the README does not show: $words"
  commands=$((commands + 1))
  echo "$commands. $who: $*"
  as "$who" "$@" || fail "command $commands failed"
}

# A command that is typed and done here in another way.
counted() {
  grep -qF -- "$1" "$here/../../README.md" || fail "the README does not show: $1"
  commands=$((commands + 1))
  echo "$commands. $1"
}

# Runs in the chroot: root, or jane in her home.
as() {
  local who=$1
  shift
  case $who in
    root) chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@" ;;
    ai-employee) chroot "$root" runuser -u ai-employee -- /usr/bin/env -i -C /var/lib/ai-employee HOME=/var/lib/ai-employee PATH=/usr/local/bin:/usr/bin:/bin "$@" ;;
    *) chroot "$root" runuser -u "$who" -- /usr/bin/env -i -C "/home/$who" HOME="/home/$who" PATH="/home/$who/.local/bin:/usr/bin:/bin" LANG=C.UTF-8 "$@" ;;
  esac
}

within() {
  local limit=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@"; do
    [ $SECONDS -lt $end ] || { logs; fail "$what: not within $limit s"; }
    sleep 0.3
  done
  echo "   $what"
}

logs() { tail -n 20 "$work"/*.log >&2 || true; }

outside() {
  local bin status=0
  bin=$(cd "${1:?directory with the programs}" && pwd -P)
  [ "$(id -u)" = 0 ] || fail "must run as root"
  work=$(mktemp -d /tmp/aie-hour.XXXXXX)
  chmod 755 "$work"
  trap '"$here/mail.sh" stop "$work/mail"; "$here/git.sh" stop "$work/git"; rm -rf --one-file-system "$work"' EXIT
  # shellcheck source=tests/services/debian_root.sh
  . "$here/debian_root.sh"
  debian_root "$work/debian"
  with_programs "$work/debian" "$bin" "$here/../../deploy"
  "$here/mail.sh" start "$work/mail"
  "$here/git.sh" start "$work/git"
  unshare --mount --pid --fork --kill-child bash "$here/first_hour.sh" --inside "$work" || status=$?
  exit $status
}

inside() {
  work=$1
  root=$work/debian
  mount --make-rprivate /
  mount -t proc proc "$root/proc"
  mount --bind /dev/null "$root/dev/null"
  set -a
  # shellcheck source=/dev/null
  . "$work/mail/env"
  # shellcheck source=/dev/null
  . "$work/git/env"
  set +a
  echo "127.0.0.1 localhost" > "$root/etc/hosts"
  chroot "$root" useradd --create-home jane
  # What the reader brings: two passwords in files, and a key that the remote knows.
  install -m 600 /dev/null "$root/srv/password.txt"
  echo "$AIE_TEST_MAIL_PASSWORD" > "$root/srv/password.txt"
  for file in password passphrase; do
    echo "$AIE_TEST_MAIL_PASSWORD" > "$root/home/jane/$file.txt"
  done
  cp "$AIE_TEST_CA" "$root/opt/ca.pem"
  mkdir -p "$root/home/jane/.ssh"
  cp "$AIE_TEST_GIT_SSH_KEY" "$root/home/jane/.ssh/id_ed25519"
  cp "$AIE_TEST_GIT_KNOWN_HOSTS" "$root/home/jane/.ssh/known_hosts"
  cp "$AIE_TEST_GIT_KNOWN_HOSTS" "$root/srv/hosts"
  chroot "$root" chown -R jane: /home/jane
  chmod 700 "$root/home/jane/.ssh"
  chmod 600 "$root"/home/jane/.ssh/* "$root"/home/jane/*.txt
  ln -s /opt "$root/home/jane/src"

  local start=$SECONDS id digest
  echo "--- the owner's machine (the build, which is not tried here, is command 1)"
  commands=1
  typed jane "deploy/setup_local.sh target/release" bash /opt/deploy/setup_local.sh /opt/bin
  counted "cd  "
  typed jane "local-agent init" local-agent init --owner "Jane Doe" --remote "$AIE_TEST_GIT_SSH_URL" --mode live \
    --mail-address "$AIE_TEST_MAIL_USER_A" --imap "localhost:$AIE_TEST_IMAPS_PORT" --smtp "localhost:$AIE_TEST_SMTPS_PORT" \
    --mail-ca-file /opt/ca.pem --mail-password-file password.txt --passphrase-file passphrase.txt
  typed jane "local-agent doctor" local-agent doctor
  as jane local-agent join-code > "$root/srv/join.txt"
  counted "# the daemon; or: systemctl enable --now local-agent@"
  (as jane local-agent </dev/null > "$work/local-agent.log" 2>&1 &)

  echo "--- the cloud machine"
  typed root "deploy/setup_cloud.sh target/release" bash /opt/deploy/setup_cloud.sh /opt/bin
  counted "ssh-keyscan git.example.com > hosts"
  # In the remote's web page: Deploy keys.
  cat "$root/var/lib/ai-employee/.ssh/id_ed25519.pub" >> "$AIE_TEST_GIT_DIR/authorized_keys"
  typed root "--join-file join.txt --known-hosts hosts --mail-password-file password.txt" bash /opt/deploy/setup_cloud.sh /opt/bin \
    --join-file /srv/join.txt --known-hosts /srv/hosts --mail-password-file /srv/password.txt --mail-ca-file /opt/ca.pem
  (as ai-employee cloud-agent --config /etc/ai-employee/config.yaml --vault /var/lib/ai-employee/vault --data /var/lib/ai-employee/data \
    </dev/null > "$work/cloud-agent.log" 2>&1 &)

  echo "--- a stranger writes"
  within 60 "the cloud watches the mailbox" grep -qs 'complete_until":"' "$root/var/lib/ai-employee/data/watch/gmail-work.json"
  deliver "first-hour-$$"
  within 120 "the draft is on the owner's machine" drafted
  id=$(as jane local-agent list --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["id"])')
  digest=$(as jane local-agent show "$id" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["digest"])')
  # What [A] in the review does, from a script.
  typed jane "local-agent review" local-agent approve "$id" --digest "$digest" --passphrase-file passphrase.txt
  within 120 "the answer is in the stranger's mailbox" answered "first-hour-$$"
  typed jane "local-agent status" local-agent status
  echo "--- $commands commands, $((SECONDS - start)) s without the build"
  [ "$commands" -le "$most_commands" ] || fail "more than $most_commands commands"
  [ $((SECONDS - start)) -le "$most_seconds" ] || fail "more than $most_seconds s"
}

drafted() { as jane local-agent list --json 2>/dev/null | grep -q '"digest": "sha256'; }

answered() {
  grep -rqs "In-Reply-To: <$1@stranger.example>" "$AIE_TEST_MAIL_DIR/users/$AIE_TEST_MAIL_USER_B/Maildir/new" \
    "$AIE_TEST_MAIL_DIR/users/$AIE_TEST_MAIL_USER_B/Maildir/cur"
}

# Delivers a mail the way any stranger's server does.
deliver() {
  python3 - "$1" <<'PY'
import os, smtplib, sys
tag, a, b = sys.argv[1], os.environ["AIE_TEST_MAIL_USER_A"], os.environ["AIE_TEST_MAIL_USER_B"]
with smtplib.SMTP(os.environ["AIE_TEST_HOST"], int(os.environ["AIE_TEST_SMTP_PORT"])) as server:
    server.sendmail(b, [a], f"From: Bob <{b}>\r\nTo: {a}\r\nSubject: Question about the invoice\r\n"
                    f"Message-ID: <{tag}@stranger.example>\r\n\r\nCould you send me the invoice again?\r\n")
PY
}

case ${1:-} in
  --inside) inside "$2" ;;
  *) outside "$@" ;;
esac
