#!/bin/bash
# usage: docs/screens.sh BIN_DIR [MERMAID_JS]
#
# Takes the screens of docs/screens.md anew, and writes that page: what the programs of BIN_DIR (all of them, and xtask) show in a terminal of
# 100 columns and 40 lines, to docs/screens/*.txt; with mermaid's dist/mermaid.min.js as MERMAID_JS and chromium also
# pictures of the briefing and the dashboard, to docs/screens/*.png. The week of the briefing is that of tests/tests/week.rs.
# Needs tmux and git; chromium and ImageMagick for the pictures. Everything happens in a new folder below /tmp.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
bin=$(cd "${1:?directory with the programs}" && pwd -P)
mermaid=${2:-}
shots=$here/screens
work=$(mktemp -d /tmp/aie-screens.XXXXXX)
socket=$work/tmux
mkdir -p "$shots" "$work/home"
tmux() { command tmux -S "$socket" -f /dev/null "$@"; }
trap 'tmux kill-server 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT

# A terminal as a person has it: nothing of this one's settings.
tmux new-session -d -x 100 -y 40 -s s "cd $work/home && exec env -i HOME=$work/home PATH=$bin:/usr/bin:/bin TERM=screen-256color \
  LANG=C.UTF-8 GIT_CONFIG_NOSYSTEM=1 TMPDIR=$work PS1='\$ ' CARGO=$work/cargo EDITOR=$work/editor bash --norc --noprofile"
tmux set-option -g history-limit 20000

# What is on the screen and above it.
shown() { tmux capture-pane -p -S - -t s; }
# Waits until the screen's last line is the prompt of the shell, or ends in $1.
until_asked() {
  local wanted=${1:-'$'} last
  for _ in $(seq 600); do
    last=$(shown | sed '/^[[:space:]]*$/d' | tail -n 1 | sed 's/[[:space:]]*$//')
    if [ "$wanted" = '$' ]; then [ "$last" != '$' ] || return 0; else [[ $last != *"$wanted" ]] || return 0; fi
    sleep 0.1
  done
  echo "screens.sh: waited for $wanted in vain; the screen:" >&2
  shown | tail -n 30 >&2
  exit 1
}
# A clean screen.
clean() { tmux send-keys -t s clear Enter; sleep 0.3; tmux clear-history -t s; sleep 0.1; }
# Types a command, waits for its end.
run() { tmux send-keys -t s -l "$1"; tmux send-keys -t s Enter; sleep 0.3; until_asked "${2:-}"; }
# Answers a question.
answer() { until_asked "$1"; tmux send-keys -t s -l "$2"; tmux send-keys -t s Enter; sleep 0.2; }
# Keeps what is shown, without the folder's random name and the last prompt.
keep() {
  shown | sed -e "s#$work#/tmp/demo#g" -e 's/ai-employee-demo-[A-Za-z0-9]*/ai-employee-demo/g' -e 's/[[:space:]]*$//' \
    | awk '{ lines[NR] = $0 } END { last = NR; while (last > 0 && (lines[last] == "" || lines[last] == "$")) last--
        first = 1; while (first < last && (lines[first] == "" || lines[first] == "$")) first++
        for (n = first; n <= last; n++) print lines[n] }' > "$shots/$1.txt"
  echo "$shots/$1.txt: $(wc -l < "$shots/$1.txt") lines"
}

# The demo builds the programs with cargo; here they are built.
{
  echo '#!/bin/sh'
  for program in cloud-agent local-agent sync-watcher mcp-email mcp-odoo mcp-social mcp-whatsapp mcp-payment; do
    echo "echo '{\"executable\":\"$bin/$program\"}'"
  done
} > "$work/cargo"
# shellcheck disable=SC2016
printf '#!/bin/sh\n# A person at an editor.\nsed -i "s/Best regards/Warm regards/; s/Freundliche/Herzliche/" "$1"\n' > "$work/editor"
chmod 755 "$work/cargo" "$work/editor"

echo "--- demo"
clean
run "xtask demo --yes"
keep demo

machine=$(echo "$work"/ai-employee-demo-*)/owner-machine
phrase=$(cat "$machine/../passphrase")
# From here on it is the owner's terminal.
run "cd $machine; export AI_EMPLOYEE_CONFIG=$machine/config.yaml AI_EMPLOYEE_DATA=$machine/data"

echo "--- review"
cat > "$machine/vault/Inbox/PAYMENT_muster.md" <<'T'
---
account: main
from: billing@muster.example
---
Invoice R-2026-117 of Muster GmbH, as it came by post:

Payee: Muster GmbH
IBAN: DE89 3704 0044 0532 0130 00
Amount: 1,190.00 EUR
Reference: R-2026-117
T
touch -d '1 hour ago' "$machine/vault/Inbox/PAYMENT_muster.md"
"$bin/local-agent" --config "$machine/config.yaml" --data "$machine/data" --once > "$work/once" 2>&1
clean
tmux send-keys -t s -l "local-agent review"
tmux send-keys -t s Enter
# The first is changed and approved, the second closed, the payment approved; the others are skipped.
decided=0
while :; do
  until_asked "[Q]uit:"
  decided=$((decided + 1))
  screen=$(shown | awk '/^════/ { text = "" } { text = text $0 "\n" } END { print text }')
  case $decided:$screen in
    1:*) answer "[Q]uit:" m; until_asked "[Q]uit:"; tmux send-keys -t s a Enter; answer "signing key:" "$phrase" ;;
    3:*) answer "[Q]uit:" r; answer "(for the record):" "I call her" ;;
    *"(payment)"*)
      answer "[Q]uit:" a
      answer "Amount:" 1190.00
      answer "payee's IBAN:" 3000
      until_asked "[Q]uit:"
      tmux send-keys -t s q Enter
      until_asked
      break
      ;;
    *) answer "[Q]uit:" s ;;
  esac
  sleep 0.3
done
keep review

echo "--- status, doctor, list, schedule, handbook"
for command in list status doctor "schedule list"; do
  clean
  run "local-agent $command"
  keep "${command// /-}"
done
sed -i -e 's/^# signature: .*/signature: |/' -e 's/^#   Kind regards/  Kind regards/' -e 's/^#   Jane Doe/  Jane Doe/' \
  -e 's/^# languages: \[en, de\] .*/languages: [en, de]/' "$machine/vault/Company_Handbook.md"
clean
run "local-agent handbook diff"
keep handbook-diff

echo "--- init"
git init -q --bare -b main "$work/vault.git"
run "cd; unset AI_EMPLOYEE_CONFIG AI_EMPLOYEE_DATA"
clean
tmux send-keys -t s -l "local-agent init"
tmux send-keys -t s Enter
answer "Your name:" "Jane Doe"
answer "vault]:" ""
answer "Remote:" "$work/vault.git"
answer "[local-001]:" ""
answer "[cloud-001]:" ""
answer "Address:" none
answer "[rehearse]:" sample
answer "signing key:" "correct horse battery staple"
answer "more:" "correct horse battery staple"
until_asked
keep init

# The page: short screens stand in it, long ones beside it.
{
  cat <<'M'
# Screens

What the programs show, taken by `docs/screens.sh` from a terminal of 100 columns and 40 lines and from a browser, on sample data.
Long lines are broken at blanks and go on below their own text; in quoted text `┊` marks a line that was broken here, `│` one that is the
text's own.

- [The demo](screens/demo.txt), from the first command to the dashboard.
- [The review](screens/review.txt): a mail whose draft is changed and approved, a message that is closed with a reason, and a payment, whose
  amount and payee are typed again. "Where its values come from" says of each address, account, amount and name whether it is the owner's, the
  message's or nobody's.
M
  section() { printf '\n## %s\n\n```text\n' "$1"; cat "$shots/$2.txt"; echo '```'; rm "$shots/$2.txt"; }
  section "Setting a machine up" init
  section "What waits" list
  section "How both machines are" status
  section "What is missing or wrong" doctor
  section "What comes again" schedule-list
  section "A changed handbook" handbook-diff
  cat <<'M'

## The week's briefing and the dashboard

The briefing is of the simulated week of `tests/tests/week.rs`: 500 events, an owner who approves, rejects, changes and forgets.

| as one HTML page | in the dark | on a telephone | |
|---|---|---|---|
| ![light](screens/briefing-light.png) | ![dark](screens/briefing-dark.png) | ![light](screens/briefing-phone-light.png) | ![dark](screens/briefing-phone-dark.png) |

The same in the vault, and the dashboard after the demo, with their charts drawn by Mermaid:

| the briefing | the dashboard |
|---|---|
| ![the briefing](screens/briefing-obsidian.png) | ![the dashboard](screens/dashboard-obsidian.png) |
M
} > "$here/screens.md"
echo "$here/screens.md: $(wc -l < "$here/screens.md") lines"

[ -n "$mermaid" ] || { echo "--- no pictures without MERMAID_JS"; exit 0; }
echo "--- pictures"
week=${AIE_WEEK:?the folder that AIE_WEEK=FOLDER cargo test -p tests --test week has left}
"$bin/local-agent" --config "$week/local-001/config.yaml" --data "$week/local-001/data" audit --week 2026-11-25
briefing=$week/local-001/vault/Briefings/2026-11-30_Monday_Briefing.html
# A browser's window cannot be as narrow as a telephone; a frame in it can.
picture() { # NAME WIDTH HEIGHT SCHEME FILE
  printf '<!doctype html><meta charset=utf-8><style>body{margin:0}iframe{border:0;width:%spx;height:%spx}</style><iframe src="%s"></iframe>' \
    "$2" "$3" "$5" > "$work/frame.html"
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --allow-file-access-from-files --user-data-dir="$work/chromium" \
    --blink-settings=preferredColorScheme="$([ "$4" = dark ] && echo 0 || echo 1)" --virtual-time-budget=8000 \
    --window-size="$(( $2 > 500 ? $2 : 500 )),$3" --screenshot="$work/shot.png" "file://$work/frame.html" > "$work/chromium.log" 2>&1
  # Fewer colours: a picture of text is a tenth as large with them.
  convert "$work/shot.png" -crop "$2x$3+0+0" +repage -trim +repage +dither -colors 48 "PNG8:$shots/$1.png"
  echo "$shots/$1.png: $(stat -c %s "$shots/$1.png") bytes"
}
for scheme in light dark; do
  picture "briefing-$scheme" 1000 2600 $scheme "$briefing"
  picture "briefing-phone-$scheme" 390 4200 $scheme "$briefing"
done
# The page as an Obsidian-like program shows it: the callouts and the charts are its own, the rest is Markdown.
cp "$machine/vault/Dashboard.md" "$work/dashboard.md"
cp "$week/local-001/vault/Briefings/2026-11-30_Monday_Briefing.md" "$work/briefing.md"
for page in dashboard briefing; do
  python3 - "$work/$page.md" "$work/$page.html" "$mermaid" "$(dirname "$mermaid")/../../marked/lib/marked.umd.js" <<'P'
import json, re, sys
text = open(sys.argv[1]).read()
text = re.sub(r"\[\[([^\]|]*?)\\?\|([^\]]*)\]\]", r"[\2](#)", re.sub(r"\[\[([^\]|\\]*)\]\]", r"[\1](#)", text))
text = re.sub(r"^%% .*? %%$", "", text, flags=re.M)
text = re.sub(r"^---\n.*?\n---\n", "", text, flags=re.S)
text = re.sub(r"^> \[!(\w+)\] ?(.*)$", r"> **\2**<br>", text, flags=re.M)
open(sys.argv[2], "w").write("""<!doctype html><meta charset=utf-8><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:1.5rem auto;padding:0 1rem}table{border-collapse:collapse}
td,th{border:1px solid #ccc;padding:.25rem .5rem;text-align:left}blockquote{margin:1rem 0;padding:.5rem 1rem;border-left:4px solid #888;background:#f4f4f4}
</style><main></main><script src="file://%s"></script><script src="file://%s"></script><script>
document.querySelector("main").innerHTML = marked.parse(%s);
document.querySelectorAll("code.language-mermaid").forEach(c => { const p = document.createElement("pre"); p.className = "mermaid"; p.textContent = c.textContent; c.parentNode.replaceWith(p); });
mermaid.initialize({ startOnLoad: false }); mermaid.run();
</script>""" % (sys.argv[4], sys.argv[3], json.dumps(text)))
P
  picture "$page-obsidian" 1100 2400 light "$work/$page.html"
done
