# shellcheck shell=bash
# Sourced by the scripts beside it: a fresh Debian root of this machine's own release.

# debian_root DIR: makes one in DIR, with what git needs, and the sshd that a server has. Where AIE_DEBIAN_ROOT names a folder it is kept there, and
# copied the next time.
debian_root() {
  local suite mirror kept=${AIE_DEBIAN_ROOT:-}
  if [ -n "$kept" ] && [ -e "$kept/usr/sbin/sshd" ]; then
    cp -a "$kept" "$1"
    return
  fi
  suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  # From where this machine has its own packages.
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $suite" "Component: main" | head -n 1)
  echo "--- debootstrap $suite"
  debootstrap --variant=minbase --include=git,ca-certificates,openssh-client,openssh-server "$suite" "$1" "$mirror" > "$1.log" 2>&1 \
    || { tail -n 20 "$1.log" >&2; return 1; }
  [ -z "$kept" ] || cp -a "$1" "$kept"
}

# with_programs ROOT BIN_DIR DEPLOY: the programs, without their symbols, in ROOT/opt/bin, and the scripts in ROOT/opt/deploy.
with_programs() {
  local program
  mkdir -p "$1/opt/bin" "$1/opt/deploy"
  for program in cloud-agent local-agent sync-watcher mcp-email mcp-odoo mcp-social mcp-whatsapp mcp-payment; do
    install -s -m 755 "$2/$program" "$1/opt/bin/$program"
  done
  cp -r "$3/." "$1/opt/deploy/"
}
