//! Random `kill -9`: two machines work on mails and payments while their programs, and the owner's
//! own commands, are killed at whatever they are at, and started again.

mod daemon;
mod moment;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use self::daemon::Daemon;
use self::moment::Moment;
use super::bounded::Bounded;
use super::judge::{Decision, Ledger, Verdict, judge};
use super::machines::{Side, World};
use super::{Figure, Lab, Outcome, processes};

/// A daemon is ready again within this.
const READY: Duration = Duration::from_secs(2);
/// Programs that are not optimised, on a machine that builds other things besides.
const READY_IN_SHARE: Duration = Duration::from_secs(10);
/// What a program must come to, in order to be killed at it.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// An owner's command takes less, unless it hangs.
const COMMAND: Duration = Duration::from_secs(60);
/// Of a hundred kills, at least so many are at each kind of work.
const PER_MOMENT: usize = 4;
/// With fewer kills than this, one kind of work may be missed: some take milliseconds.
const MANY: usize = 200;
/// Of a hundred kills, at least so many effects happen: else nothing was at stake.
const EFFECTS: usize = 5;

pub(crate) fn run(lab: &Lab) -> Outcome {
    let kills = usize::try_from(lab.cases(25, 2_000)).unwrap_or(usize::MAX);
    let folder = lab.folder("kills")?;
    let root = folder.join("machines");
    let mut run = Run::new(lab, &root)?;
    let begun = Instant::now();
    while run.kills() < kills {
        let before = run.kills();
        run.step()?;
        for n in before + 1..=run.kills() {
            lab.progress(n as u64, kills as u64, "kills");
        }
        if run.verdict.wrong.len() > 20 {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs();
    run.end(&folder)?;
    run.figures(seconds)
}

struct Run<'a> {
    lab: &'a Lab,
    world: World,
    chance: fastrand::Rng,
    daemons: Vec<Daemon>,
    ledger: Ledger,
    /// What is to come before everything comes again.
    moments: Vec<Moment>,
    killed: BTreeMap<Moment, usize>,
    ready: Vec<Duration>,
    acknowledged: usize,
    verdict: Verdict,
}

impl<'a> Run<'a> {
    fn new(lab: &'a Lab, root: &Path) -> Outcome<Self> {
        let world = World::new(root, &root.join("remote.git"), lab.bin())?;
        let daemons = vec![
            Daemon::new(&world, Side::Cloud, "cloud-agent"),
            Daemon::new(&world, Side::Owner, "local-agent"),
            Daemon::new(&world, Side::Owner, "sync-watcher"),
        ];
        let mut run = Self {
            lab,
            world,
            chance: fastrand::Rng::with_seed(lab.seed()),
            daemons,
            ledger: Ledger::new(),
            moments: Vec::new(),
            killed: BTreeMap::new(),
            ready: Vec::new(),
            acknowledged: 0,
            verdict: Verdict::default(),
        };
        for n in 0..run.daemons.len() {
            run.start(n)?;
        }
        // The first start is no restart.
        run.ready.clear();
        Ok(run)
    }

    fn kills(&self) -> usize {
        self.killed.values().sum()
    }

    fn start(&mut self, n: usize) -> Outcome<()> {
        match self.daemons[n].start(&self.world)? {
            Ok(took) => self.ready.push(took),
            Err(finding) => self.wrong(finding),
        }
        Ok(())
    }

    fn wrong(&mut self, finding: String) {
        eprintln!("  {finding}, seed {}", self.lab.seed());
        self.verdict.wrong.push(finding);
    }

    /// Something happens to the machines, and then somebody is killed.
    fn step(&mut self) -> Outcome<()> {
        self.somebody_does_something()?;
        let moment = self.next_moment();
        if moment == Moment::Approve {
            return self.kill_an_approval();
        }
        let victim = match moment {
            Moment::Execute => 1,
            Moment::Claim | Moment::Draft => self.chance.usize(..2),
            _ => self.chance.usize(..self.daemons.len()),
        };
        let mut command = None;
        match moment {
            Moment::Claim | Moment::Draft | Moment::Push => {
                let side = self.daemons[victim].side;
                self.bring(side)?;
            }
            Moment::Execute => {
                self.propose()?;
                if let Some(id) = self.pick("PAYMENT_") {
                    command = self.approve(&id)?.map(|running| (id, running));
                }
            }
            Moment::Any => std::thread::sleep(Duration::from_millis(self.chance.u64(..400))),
            Moment::Fetch | Moment::Approve => {}
        }
        let seen = moment.wait(&self.world, &self.daemons[victim], PATIENCE);
        std::thread::sleep(Duration::from_micros(self.chance.u64(..8_000)));
        self.kill(victim, if seen { moment } else { Moment::Any })?;
        if let Some((id, running)) = command {
            self.acknowledge(&id, running, Decision::Approved)?;
        }
        Ok(())
    }

    /// Each kind of work is as frequent as the others, in no order.
    fn next_moment(&mut self) -> Moment {
        if self.moments.is_empty() {
            self.moments = Moment::ALL.to_vec();
            self.chance.shuffle(&mut self.moments);
        }
        self.moments.pop().unwrap_or(Moment::Any)
    }

    /// Kills a daemon, alone or with all that it started, or one of its tool servers.
    fn kill(&mut self, victim: usize, moment: Moment) -> Outcome<()> {
        *self.killed.entry(moment).or_default() += 1;
        if moment == Moment::Execute && self.chance.u8(..4) == 0 {
            let below = processes::descendants(self.daemons[victim].pid());
            let server = below.into_iter().find(|pid| processes::command_line(*pid).contains("mcp-payment"));
            if let Some(server) = server {
                processes::kill(server);
                return Ok(());
            }
        }
        let whole = self.chance.u8(..3) == 0;
        if let Some(finding) = self.daemons[victim].kill(whole)? {
            self.wrong(finding);
        }
        self.start(victim)
    }

    /// The owner's own command is killed.
    fn kill_an_approval(&mut self) -> Outcome<()> {
        let Some(id) = self.pick("") else {
            self.propose()?;
            return self.bring(Side::Owner);
        };
        let Some(running) = self.approve(&id)? else { return Ok(()) };
        let mut running = running;
        let until = Instant::now() + Duration::from_millis(self.chance.u64(..350));
        while Instant::now() < until && !running.is_over()? {
            std::thread::sleep(Duration::from_millis(1));
        }
        if running.is_over()? {
            return self.acknowledge(&id, running, Decision::Approved);
        }
        let ended = running.kill()?;
        if ended.succeeded() {
            // It had come to its end this very moment.
            self.note(&id, Decision::Approved);
        } else {
            *self.killed.entry(Moment::Approve).or_default() += 1;
        }
        Ok(())
    }

    fn somebody_does_something(&mut self) -> Outcome<()> {
        match self.chance.u8(..8) {
            0 => self.bring(Side::Cloud),
            1 => self.bring(Side::Owner),
            2 => self.propose(),
            3 => self.edit(),
            4 => {
                let Some(id) = self.pick("EMAIL_") else { return Ok(()) };
                let Some(running) = self.approve(&id)? else { return Ok(()) };
                self.acknowledge(&id, running, Decision::Approved)
            }
            5 if self.chance.bool() => {
                let Some(id) = self.pick("") else { return Ok(()) };
                let mut command = self.world.command(Side::Owner, "local-agent");
                command.args(["reject", &id, "--reason", "no"]);
                let running = Bounded::start(command, COMMAND)?;
                self.acknowledge(&id, running, Decision::Rejected)
            }
            _ => Ok(()),
        }
    }

    fn name(&mut self, prefix: &str) -> String {
        format!("{prefix}{:05}", self.ledger.len())
    }

    fn bring(&mut self, side: Side) -> Outcome<()> {
        let id = self.name("EMAIL_");
        self.world.bring(side, &id)?;
        self.ledger.entry(id).or_default();
        Ok(())
    }

    fn propose(&mut self) -> Outcome<()> {
        let n = self.ledger.len();
        let id = self.name("PAYMENT_");
        let amount = format!("{}.{:02}", n / 100 + 1, n % 100);
        self.world.propose(&id, &amount)?;
        self.ledger.entry(id).or_default().amount = Some(amount);
        Ok(())
    }

    /// One that waits for the owner.
    fn pick(&mut self, prefix: &str) -> Option<String> {
        let mut waiting = self.world.waiting();
        waiting.retain(|id| id.starts_with(prefix));
        // The order of a folder is not the same twice.
        waiting.sort_unstable();
        (!waiting.is_empty()).then(|| waiting.swap_remove(self.chance.usize(..waiting.len())))
    }

    /// A person adds a line to a draft, in place.
    fn edit(&mut self) -> Outcome<()> {
        let Some(id) = self.pick("") else { return Ok(()) };
        let path = self.world.vault(Side::Owner).join(format!("Pending_Approval/APPROVE_{id}.md"));
        // It may have gone on meanwhile; then there is nothing to write into.
        let Ok(mut file) = std::fs::File::options().append(true).open(&path) else { return Ok(()) };
        let brought = self.ledger.entry(id.clone()).or_default();
        let words = format!("Remark {} on {id}.", brought.words.len());
        file.write_all(format!("{words}\n").as_bytes()).map_err(|e| format!("failed to edit {id}: {e}"))?;
        brought.words.push(words);
        Ok(())
    }

    /// Starts the approval of what is proposed now.
    fn approve(&self, id: &str) -> Outcome<Option<Bounded>> {
        let Some(arguments) = self.world.approval(id)? else { return Ok(None) };
        let mut command = self.world.command(Side::Owner, "local-agent");
        command.args(arguments);
        Bounded::start(command, COMMAND).map(Some)
    }

    /// Waits for the owner's command; what it says well is acknowledged.
    fn acknowledge(&mut self, id: &str, running: Bounded, decision: Decision) -> Outcome<()> {
        let ended = running.wait()?;
        if ended.hung() {
            self.wrong(format!("a command about {id}: {}", ended.said()));
        }
        if ended.succeeded() {
            self.note(id, decision);
        }
        Ok(())
    }

    /// A payee that is new is signed for twice; the first time decides nothing yet.
    fn note(&mut self, id: &str, decision: Decision) {
        let path = self.world.vault(Side::Owner).join(format!("Pending_Approval/APPROVE_{id}.md"));
        let introduced = std::fs::read_to_string(path).is_ok_and(|text| text.contains("introduced"));
        if decision == Decision::Approved && introduced {
            return;
        }
        self.acknowledged += 1;
        if let Some(brought) = self.ledger.get_mut(id) {
            brought.decision = Some(decision);
        }
    }

    /// Stops everything and looks at what is there.
    fn end(&mut self, scratch: &Path) -> Outcome<()> {
        for n in 0..self.daemons.len() {
            if let Some(finding) = self.daemons[n].stop()? {
                self.wrong(finding);
            }
        }
        let verdict = judge(&self.world, &self.ledger, scratch)?;
        for finding in verdict.findings().take(20) {
            eprintln!("  {finding}, seed {}", self.lab.seed());
        }
        self.verdict.absorb(verdict);
        if !self.verdict.is_sound() {
            self.lab.keep();
            eprintln!("  the machines are kept in {}", scratch.display());
        }
        Ok(())
    }

    fn figures(mut self, seconds: u64) -> Outcome {
        let kills = self.kills();
        self.ready.sort_unstable();
        let slowest = self.ready.last().copied().unwrap_or_default();
        let median = self.ready.get(self.ready.len() / 2).copied().unwrap_or_default();
        let by_moment: Vec<String> = Moment::ALL
            .iter()
            .map(|moment| {
                format!("{} {}", moment.name(), self.killed.get(moment).copied().unwrap_or_default())
            })
            .collect();
        let few = |moment: &&Moment| {
            self.killed.get(*moment).copied().unwrap_or_default() * 100 < PER_MOMENT * kills
        };
        let rare = Moment::ALL.iter().filter(few).count();
        let (tasks, effects) = (self.ledger.len(), self.verdict.effects);
        let enough =
            rare <= usize::from(kills < MANY) && effects * 100 >= EFFECTS * kills && self.acknowledged > 0;
        if !enough {
            eprintln!("  too little happened: {}, {effects} effects", by_moment.join(", "));
        }
        let words: usize = self.ledger.values().map(|brought| brought.words.len()).sum();
        eprintln!("  {seconds} s; {words} edits; tasks by end: {:?}", self.verdict.ends);
        let limit = if self.lab.is_optimised() { READY } else { READY_IN_SHARE };
        Ok(vec![
            Figure::new(
                format!("{kills} random kill -9 ({}), {tasks} tasks", by_moment.join(", ")),
                format!("{}; {effects} effects, {} decisions acknowledged", self.verdict, self.acknowledged),
                format!("0 of each; at least {PER_MOMENT} % of the kills in each, {EFFECTS} % effects"),
                self.verdict.is_sound() && enough,
            ),
            Figure::new(
                format!("ready again after {} restarts", self.ready.len()),
                format!("median {} ms, slowest {} ms", median.as_millis(), slowest.as_millis()),
                if self.lab.is_optimised() {
                    "within 2 s".to_owned()
                } else {
                    format!("within 2 s (optimised; here {} s)", READY_IN_SHARE.as_secs())
                },
                slowest <= limit && !self.ready.is_empty(),
            ),
        ])
    }
}
