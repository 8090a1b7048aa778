#!/bin/bash
# usage: try_deploy.sh BIN_DIR
#
# Runs deploy/setup_local.sh, setup_cloud.sh and deploy_cloud.sh on a Debian root that debootstrap has just made: each twice,
# an update, a version that does not start, one that dies at once, a full disk; then the update over ssh, from outside, to
# the root's own sshd. Needs root and debootstrap. The root is a chroot in namespaces of its own; in place of systemd,
# which does not run in one, a stand-in starts and stops the real cloud agent by the real unit's ExecStart. In place of
# cargo, which another test runs, the programs are there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)

expect() {
  local what=$1
  shift
  if "$@" > /tmp/try-last 2>&1; then
    echo "ok    $what"
  else
    echo "WRONG $what: $*"
    cat /tmp/try-last
    exit 1
  fi
}

fails() { ! "$@"; }

# What a command says, however it ends.
says() {
  local words=$1 said
  shift
  said=$("$@" 2>&1) || true
  echo "$said"
  [[ $said == *"$words"* ]]
}

outside() {
  local bin
  bin=$(cd "${1:?directory with the programs}" && pwd -P)
  [ "$(id -u)" = 0 ] || { echo "try_deploy.sh: must run as root" >&2; exit 1; }
  work=$(mktemp -d /tmp/aie-deploy.XXXXXX)
  trap 'rm -rf --one-file-system "$work"' EXIT
  # shellcheck source=tests/services/debian_root.sh
  . "$here/debian_root.sh"
  debian_root "$work/debian"
  with_programs "$work/debian" "$bin" "$here/../../deploy"
  cp "$here/try_deploy.sh" "$work/debian/opt/try_deploy.sh"
  unshare --mount --pid --fork --kill-child --uts --ipc --net bash "$here/try_deploy.sh" --enter "$work/debian"
}

enter() {
  local root=$1
  mount --make-rprivate /
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o size=700m tmpfs "$root/usr/local/lib"
  mount --bind /dev/null "$root/dev/null"
  in_root AIE_DEPLOY_PATIENCE=10 bash /opt/try_deploy.sh --inside
  over_ssh
  echo "--- all passed"
}

in_root() {
  chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

# deploy_cloud.sh HOST, as its reader runs it: the real ssh and scp, to the sshd of the root.
over_ssh() {
  local ssh=$root/srv/ssh outside=${root%/*}/outside owner=$root/root second pid
  echo "--- deploy_cloud.sh over ssh"
  ip link set lo up
  mkdir -p "$ssh" "$root/run/sshd" "$owner/.ssh" "$outside/target/release"
  mount -t devpts devpts "$root/dev/pts" 2>/dev/null || true
  ssh-keygen -q -t ed25519 -N '' -f "$outside/key"
  ssh-keygen -q -t ed25519 -N '' -f "$ssh/host"
  install -m 600 "$outside/key.pub" "$owner/.ssh/authorized_keys"
  chmod 700 "$owner/.ssh"
  printf 'SetEnv AIE_DEPLOY_PATIENCE=10\nSubsystem sftp internal-sftp\n' > "$ssh/config"
  in_root /usr/sbin/sshd -f /srv/ssh/config -p 2222 -o ListenAddress=127.0.0.1 -o HostKey=/srv/ssh/host -o PidFile=/srv/ssh/pid \
    -o UsePAM=no -o PasswordAuthentication=no
  printf 'cloud.example.com %s\n' "$(cut -d' ' -f1,2 "$ssh/host.pub")" > "$outside/known_hosts"
  cat > "$outside/config" <<C
Host cloud.example.com
  HostName 127.0.0.1
  Port 2222
  User root
  HostKeyAlias cloud.example.com
  IdentityFile $outside/key
  IdentitiesOnly yes
  UserKnownHostsFile $outside/known_hosts
  StrictHostKeyChecking yes
C
  # The reader has such lines in ~/.ssh/config.
  for program in ssh scp; do
    printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v $program)" "$outside/config" > "$outside/$program"
    chmod 755 "$outside/$program"
  done
  printf '#!/bin/sh\nexit 0\n' > "$outside/cargo"
  chmod 755 "$outside/cargo"
  PATH=$outside:$PATH
  export CARGO_TARGET_DIR=$outside/target
  deploy() { bash "$here/../../deploy/deploy_cloud.sh" "$@"; }
  bring() { rm -rf "$outside/target/release" && cp -r "$root/opt/$1" "$outside/target/release"; }
  used() { readlink "$root/usr/local/lib/ai-employee/current"; }
  clean() { [ -z "$(find "$root/tmp" -mindepth 1 -maxdepth 1 -name 'tmp.*')" ]; }
  in_root systemctl start cloud-agent

  expect "a host that is not there is said" says "nothing was changed" deploy nowhere.invalid
  bring new
  date +%s%N >> "$outside/target/release/cloud-agent"
  second=$(used)
  expect "another version is brought over and takes over" says "gives signs of life" deploy cloud.example.com
  expect "under its own name" [ "$second" != "$(used)" ]
  second=$(used)
  pid=$(cat "$root/run/fake/pid")
  expect "the same again changes nothing" says "is in use already" deploy cloud.example.com
  expect "and interrupts nothing" [ "$pid" = "$(cat "$root/run/fake/pid")" ]
  expect "nothing is left in the machine's /tmp" clean

  # shellcheck disable=SC2016
  printf '#!/bin/sh\n[ "$1" = --version ] && { echo "cloud-agent %s"; exit; }\nexit 1\n' \
    "$("$root/opt/bin/cloud-agent" --version | cut -d' ' -f2)" > "$outside/target/release/cloud-agent"
  expect "one that does not come up is rolled back" says "is in use again and runs" deploy cloud.example.com
  expect "with exit status 1" fails deploy cloud.example.com
  expect "the one before is in use" [ "$(used)" = "$second" ]
  expect "and runs" in_root systemctl is-active cloud-agent

  bring bin
  date +%s%N >> "$outside/target/release/cloud-agent"
  free=$(df --output=avail -k "$root/usr/local/lib" | tail -n 1)
  head -c "$(((free - 1024) * 1024))" /dev/zero > "$root/usr/local/lib/filler"
  expect "a full disk is said, and changes nothing" says "the disk is full" deploy cloud.example.com
  rm "$root/usr/local/lib/filler"
  mount -t tmpfs -o size=1m tmpfs "$root/tmp"
  expect "so is a full /tmp" says "is there room in its /tmp?" deploy cloud.example.com
  expect "which is empty again afterwards" clean
  umount "$root/tmp"
  expect "the one before is in use" [ "$(used)" = "$second" ]
  expect "and runs" in_root systemctl is-active cloud-agent
  in_root systemctl stop cloud-agent
  kill "$(cat "$ssh/pid")"
}

# What systemd does of what the scripts ask, with the real program.
stand_in() {
  cat > /usr/local/bin/systemctl <<'S'
#!/bin/bash
# A stand-in for tests. State: /run/fake.
mkdir -p /run/fake
verb=$1; shift
[ "${1:-}" != --quiet ] || shift
alive() { [ -f /run/fake/pid ] && kill -0 "$(cat /run/fake/pid)" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$(cat /run/fake/pid)/status"; }
stop() { alive && { kill "$(cat /run/fake/pid)"; for _ in $(seq 100); do alive || break; sleep 0.1; done; }; rm -f /run/fake/pid; }
case $verb in
  daemon-reload) ;;
  enable) touch /run/fake/enabled ;;
  is-enabled) [ -e /run/fake/enabled ] ;;
  is-active) alive ;;
  stop) stop ;;
  restart|start)
    stop
    line=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/cloud-agent.service | sed 's#%S#/var/lib#g')
    cd /var/lib/ai-employee || exit 1
    # shellcheck disable=SC2086
    setsid setpriv --reuid=ai-employee --regid=ai-employee --clear-groups env -i HOME=/var/lib/ai-employee \
      PATH=/usr/local/bin:/usr/bin:/bin $line </dev/null >>/run/fake/log 2>&1 &
    echo $! > /run/fake/pid
    sleep 1
    alive
    ;;
esac
S
  chmod 755 /usr/local/bin/systemctl
}

inside() {
  local release second
  stand_in
  useradd --create-home jane
  git init -q --bare --shared=0777 -b main /srv/vault.git
  chmod -R a+rwX /srv/vault.git
  git config --system safe.directory '*'

  echo "--- setup_local.sh"
  expect "an unknown user is refused" says "there is no user nobody-here" bash /opt/deploy/setup_local.sh /opt/bin --user nobody-here
  expect "the owner's machine is set up" bash /opt/deploy/setup_local.sh /opt/bin --user jane -- --owner Jane --remote /srv/vault.git \
    --no-mail --mode sample --no-passphrase
  grep -o 'AIE1\.[A-Za-z0-9_.-]*' /tmp/try-last > /srv/join
  expect "there is a join code" test -s /srv/join
  expect "its files belong to the owner" [ "$(stat -c %U /home/jane/.config/ai-employee/config.yaml /home/jane/vault | sort -u)" = jane ]
  cp /home/jane/.config/ai-employee/config.yaml /srv/config.yaml
  expect "it can be run again" bash /opt/deploy/setup_local.sh /opt/bin --user jane -- --owner Jane
  expect "and changes nothing" cmp /home/jane/.config/ai-employee/config.yaml /srv/config.yaml
  chmod 600 /srv/join

  echo "--- setup_cloud.sh"
  expect "flags without a join code are refused" says "needs --join-file" bash /opt/deploy/setup_cloud.sh /opt/bin --no-trial
  expect "it prepares the machine and shows the key" says "ssh-ed25519 AAAA" bash /opt/deploy/setup_cloud.sh /opt/bin
  expect "with a damaged join code nothing starts" fails bash /opt/deploy/setup_cloud.sh /opt/bin --join-file /etc/hostname
  expect "no service runs yet" fails systemctl is-active cloud-agent
  expect "the cloud machine is set up" bash /opt/deploy/setup_cloud.sh /opt/bin --join-file /srv/join
  expect "the service runs" systemctl is-active cloud-agent
  expect "only the programs that belong there are installed" \
    [ "$(cd /usr/local/lib/ai-employee/current/ && echo ./*)" = "./cloud-agent ./mcp-email ./mcp-odoo ./mcp-social" ]
  expect "the service's user reads its files, and nobody else" \
    [ "$(stat -c '%U %a' /etc/ai-employee /var/lib/ai-employee | sort -u)" = "ai-employee 700" ]
  key=$(cat /var/lib/ai-employee/.ssh/id_ed25519.pub)
  expect "a second time keeps everything" bash /opt/deploy/setup_cloud.sh /opt/bin --join-file /srv/join
  expect "its key is the same" [ "$key" = "$(cat /var/lib/ai-employee/.ssh/id_ed25519.pub)" ]
  # On the owner's machine of this root two programs are in /usr/local/bin that a cloud machine has not; the doctor looks beside the agent.
  expect "its doctor finds nothing wrong" bash -c "cd /var/lib/ai-employee && setpriv --reuid=ai-employee --regid=ai-employee --clear-groups \
    env -i HOME=/var/lib/ai-employee PATH=/usr/bin:/bin /usr/local/bin/cloud-agent doctor --config /etc/ai-employee/config.yaml --data /var/lib/ai-employee/data"

  echo "--- deploy_cloud.sh"
  release=$(readlink /usr/local/lib/ai-employee/current)
  expect "the same programs again change nothing" says "is in use already" bash /opt/deploy/deploy_cloud.sh --install /opt/bin
  new_version
  expect "a new version takes over" says "gives signs of life" bash /opt/deploy/deploy_cloud.sh --install /opt/new
  second=$(readlink /usr/local/lib/ai-employee/current)
  expect "by its own name" [ "$second" != "$release" ]
  expect "and runs" [ "$(readlink "/proc/$(cat /run/fake/pid)/exe")" = "/usr/local/lib/ai-employee/$second/cloud-agent" ]

  new_version
  impostor 'exit 1'
  expect "a version that dies at once is rolled back" says "is in use again and runs" bash /opt/deploy/deploy_cloud.sh --install /opt/new
  expect "the one before is in use" [ "$(readlink /usr/local/lib/ai-employee/current)" = "$second" ]
  expect "and runs" systemctl is-active cloud-agent
  expect "the deploy's exit status says that it failed" fails bash /opt/deploy/deploy_cloud.sh --install /opt/new

  impostor 'exec sleep 1000'
  expect "a version that gives no sign of life is rolled back" says "is in use again and runs" bash /opt/deploy/deploy_cloud.sh --install /opt/new

  echo garbage > /opt/new/cloud-agent
  expect "a program that does not start changes nothing" says "nothing was changed" bash /opt/deploy/deploy_cloud.sh --install /opt/new
  new_version
  printf '#!/bin/sh\necho mcp-email 9.9.9\n' > /opt/new/mcp-email
  expect "programs of two versions change nothing" says "nothing was changed" bash /opt/deploy/deploy_cloud.sh --install /opt/new
  new_version
  rm /opt/new/mcp-social
  expect "a program that is missing changes nothing" says "there is no mcp-social" bash /opt/deploy/deploy_cloud.sh --install /opt/new

  new_version
  # Nearly full, and full in the middle of copying: the tmpfs that this root has under /usr/local/lib.
  fill 1024
  expect "a full disk is said, and changes nothing" says "the disk is full" bash /opt/deploy/deploy_cloud.sh --install /opt/new
  expect "the one before is in use" [ "$(readlink /usr/local/lib/ai-employee/current)" = "$second" ]
  expect "and runs" systemctl is-active cloud-agent
  expect "nothing of it is left" [ -z "$(find /usr/local/lib/ai-employee/releases -name '.new-*')" ]
  rm /usr/local/lib/filler
  expect "with room again it goes in" says "gives signs of life" bash /opt/deploy/deploy_cloud.sh --install /opt/new
  expect "no more than three versions are kept" [ "$(find /usr/local/lib/ai-employee/releases -mindepth 1 -maxdepth 1 | wc -l)" -le 3 ]
  systemctl stop cloud-agent
}

version() { /opt/bin/cloud-agent --version | cut -d' ' -f2; }

# Programs that do the same and are not the same bytes.
new_version() {
  rm -rf /opt/new
  cp -r /opt/bin /opt/new
  date +%s%N >> /opt/new/cloud-agent
}

# Something that tells the right version, and otherwise does this.
impostor() {
  cat > /opt/new/cloud-agent <<P
#!/bin/sh
[ "\$1" = --version ] && { echo "cloud-agent $(version)"; exit; }
$1
P
}

# Leaves so many KB free.
fill() {
  local free
  free=$(df --output=avail -k /usr/local/lib | tail -n 1)
  head -c "$(((free - $1) * 1024))" /dev/zero > /usr/local/lib/filler
}

case ${1:-} in
  --enter) enter "$2" ;;
  --inside) inside ;;
  *) outside "$@" ;;
esac
