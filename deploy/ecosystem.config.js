// PM2, where there is no systemd: `pm2 start deploy/ecosystem.config.js --only cloud-agent` on the machine that is always
// on, `--only local-agent,sync-watcher` on the owner's. `pm2 save` and `pm2 startup` bring them back after a reboot.
//
// Read from the environment of that command:
//   AIE_BIN_DIR         where the programs are; target/release of this checkout when empty
//   AIE_HOME            the working directory: a ./vault and a ./config.yaml there are found; this checkout when empty
//   AI_EMPLOYEE_CONFIG, AI_EMPLOYEE_DATA   as everywhere
// Secrets belong into the .env beside config.yaml, not into PM2's environment, which `pm2 save` writes to disk.

const path = require("node:path");

const checkout = path.resolve(__dirname, "..");
const bin = path.resolve(process.env.AIE_BIN_DIR || path.join(checkout, "target", "release"));
const cwd = path.resolve(process.env.AIE_HOME || checkout);

const known = ["AI_EMPLOYEE_CONFIG", "AI_EMPLOYEE_DATA"];
const places = Object.fromEntries(known.filter((name) => process.env[name]).map((name) => [name, process.env[name]]));

function app(name) {
  return {
    name,
    script: path.join(bin, name),
    interpreter: "none",
    exec_mode: "fork",
    cwd,
    env: places,
    autorestart: true,
    // Status 2 is a wrong configuration: starting again would not help. (PM2 7 then shows "waiting restart", but does not.)
    stop_exit_codes: [2],
    // Status 1 may pass, such as a second instance that PM2 lost sight of: ever slower, but without an end. Without
    // this PM2 gives up after 16 quick tries.
    exp_backoff_restart_delay: 500,
    // PM2 sends SIGINT; the programs drain within 5 s.
    kill_timeout: 6000,
    max_memory_restart: "512M",
    merge_logs: true,
  };
}

module.exports = {
  apps: ["cloud-agent", "local-agent", "sync-watcher"].map(app),
};
