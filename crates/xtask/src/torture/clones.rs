//! Many clones, one remote: each task is worked on by exactly one agent and none is stranded,
//! although agents are killed, one of them for good, and the remote's answers get lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use task::{Location, Stage, Task, TaskId};

use super::contestant::{self, Witness, micros};
use super::{Figure, Lab, Outcome};
use crate::bench::samples;

/// How many agents there are.
const CLONES: usize = 8;
/// Of a hundred tasks, at so many an agent is killed.
const KILLS: usize = 5;
/// Of a hundred pushes, so many are taken without an answer.
const LOST: u8 = 10;
/// What a claim may take when many travel in one push, by a remote on the same machine.
const PROMISED: Duration = Duration::from_millis(40);
/// With fewer tasks, eight agents that want twenty each fight over the same ones.
const MEASURED: usize = 1_000;
/// After so long without an end something is stranded.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

pub(crate) fn run(lab: &Lab) -> Outcome {
    let tasks = usize::try_from(lab.cases(120, 1_000)).unwrap_or(usize::MAX);
    let quiet = Contest::new(lab, "quiet", tasks, 0)?.run(0)?;
    let rough = Contest::new(lab, "rough", tasks, LOST)?.run((tasks * KILLS / 100).max(1))?;
    let verdict = |end: &End| format!("{} double, {} stranded", end.doubled, end.stranded);
    let holds = |end: &End| end.doubled == 0 && end.stranded == 0 && end.trouble == 0;
    for (name, end) in [("undisturbed", &quiet), ("disturbed", &rough)] {
        eprintln!("  {name}: {:.1?} a claim, tasks by agent {:?}", end.per_claim, end.shares);
    }
    Ok(vec![
        Figure::new(
            format!(
                "claims across {CLONES} clones, {tasks} tasks, {} kills, {LOST} % lost replies",
                rough.kills
            ),
            format!("{}, {} said wrong", verdict(&rough), rough.trouble),
            "0 double, 0 stranded",
            holds(&rough),
        ),
        Figure::new(
            format!("a claim across {CLONES} clones, 20 in a push, {tasks} tasks"),
            format!("{:.1?}; {}", quiet.per_claim, verdict(&quiet)),
            format!("at most {PROMISED:?} of {MEASURED} tasks, local remote"),
            holds(&quiet) && (tasks < MEASURED || quiet.per_claim <= PROMISED),
        ),
    ])
}

/// What came of a contest.
struct End {
    doubled: usize,
    stranded: usize,
    trouble: usize,
    kills: usize,
    /// From the start to the last claim, by claim.
    per_claim: Duration,
    shares: Vec<usize>,
}

struct Contest<'a> {
    lab: &'a Lab,
    home: PathBuf,
    ids: Vec<TaskId>,
    lost: u8,
}

impl<'a> Contest<'a> {
    /// A remote with `tasks` tasks, and no agent yet.
    fn new(lab: &'a Lab, name: &str, tasks: usize, lost: u8) -> Outcome<Self> {
        let home = lab.folder("clones")?.join(name);
        let origin = home.join("origin");
        let folder = origin.join("Needs_Action");
        std::fs::create_dir_all(&folder).map_err(|e| format!("failed to make {}: {e}", folder.display()))?;
        let mut ids = Vec::new();
        for n in 0..tasks {
            let id = samples::id(n)?;
            let path = folder.join(format!("{id}.md"));
            std::fs::write(&path, samples::new_task(&id)?)
                .map_err(|e| format!("failed to write {}: {e}", path.display()))?;
            ids.push(id);
        }
        git(&home, &["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"])?;
        git(&origin, &["init", "--quiet", "--initial-branch=main"])?;
        git(&origin, &["add", "--all"])?;
        git(&origin, &["commit", "--quiet", "--message", "tasks"])?;
        git(&origin, &["push", "--quiet", "../remote.git", "main"])?;
        Ok(Self { lab, home, ids, lost })
    }

    fn agent(n: usize) -> String {
        format!("clone-{n:03}")
    }

    fn witness(&self, n: usize) -> PathBuf {
        self.home.join(Self::agent(n)).join("witness")
    }

    fn start(&self, n: usize, seed: u64) -> Outcome<Child> {
        let home = self.home.join(Self::agent(n));
        std::fs::create_dir_all(&home).map_err(|e| format!("failed to make {}: {e}", home.display()))?;
        let mut command = contestant::command(self.lab, "clone");
        command.arg("--vault").arg(home.join("vault")).arg("--agent").arg(Self::agent(n));
        command.arg("--witness").arg(self.witness(n)).arg("--seed").arg(seed.to_string());
        command.arg("--remote").arg(self.home.join("remote.git")).arg("--data").arg(home.join("data"));
        command.arg("--clock").arg(self.home.join("clock")).arg("--tasks").arg(self.ids.len().to_string());
        command.arg("--lost").arg(self.lost.to_string());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        contestant::start(command)
    }

    fn owned_so_far(&self) -> Outcome<usize> {
        (0..CLONES).map(|n| Witness::read(&self.witness(n)).map(|lines| lines.len())).sum()
    }

    /// Sets the agents against each other, with so many kills, until everything is done.
    fn run(&self, kills: usize) -> Outcome<End> {
        let mut random = fastrand::Rng::with_seed(self.lab.seed());
        let mut agents = Vec::new();
        for n in 0..CLONES {
            agents.push(Some(self.start(n, random.u64(..))?));
        }
        let begun = micros();
        agents.iter_mut().flatten().for_each(contestant::go);
        let start = Instant::now();
        let (mut killed, mut shown, mut trouble, mut dead, mut jumped) = (0, 0, 0, None, false);
        let mut excused = BTreeSet::new();
        loop {
            for (n, slot) in agents.iter_mut().enumerate() {
                let Some(status) =
                    slot.as_mut().map(Child::try_wait).transpose().unwrap_or_default().flatten()
                else {
                    continue;
                };
                *slot = None;
                if !status.success() {
                    eprintln!("  {} ended with {status}, seed {}", Self::agent(n), self.lab.seed());
                    trouble += 1;
                }
            }
            let alive: Vec<usize> = (0..CLONES).filter(|n| agents[*n].is_some()).collect();
            if alive.is_empty() {
                break;
            }
            if start.elapsed() > PATIENCE {
                eprintln!("  no end after {} s, seed {}", PATIENCE.as_secs(), self.lab.seed());
                for agent in agents.iter_mut().flatten() {
                    // It may have ended this very moment.
                    let _ = agent.kill();
                    let _ = agent.wait();
                }
                break;
            }
            let owned = self.owned_so_far()?;
            for n in shown + 1..=owned {
                self.lab.progress(n as u64, self.ids.len() as u64, "claims");
            }
            shown = owned;
            if killed < kills && owned >= (killed + 1) * self.ids.len() / (kills + 1) {
                // One of them, half-way, never comes back, and leaves work behind.
                let for_good = dead.is_none() && (killed + 1) * 2 >= kills;
                let n = if for_good {
                    let Some(n) = self.somebody_at_work(&alive)? else { continue };
                    n
                } else {
                    // At a moment of no one's choosing.
                    std::thread::sleep(Duration::from_micros(random.u64(0..60_000)));
                    alive[random.usize(..alive.len())]
                };
                if let Some(mut agent) = agents[n].take() {
                    agent
                        .kill()
                        .and_then(|()| agent.wait())
                        .map_err(|e| format!("failed to kill an agent: {e}"))?;
                    killed += 1;
                    if for_good {
                        dead = Some(n);
                    } else {
                        let mut again = self.start(n, random.u64(..))?;
                        contestant::go(&mut again);
                        agents[n] = Some(again);
                    }
                }
            }
            if let Some(dead) = dead.filter(|_| !jumped && killed == kills) {
                let left = self.unfinished()?;
                let of_dead = format!("In_Progress/{}/", Self::agent(dead));
                // Only what the dead agent has is left: its time is up.
                if !left.is_empty() && left.iter().all(|path| path.starts_with(&of_dead)) {
                    excused.extend(left.iter().filter_map(|path| Location::parse(path).ok()).map(|at| at.id));
                    let file = self.home.join("clock");
                    // Everybody has seen those claims by now, since before this.
                    std::thread::sleep(Duration::from_millis(500));
                    std::fs::write(&file, "61")
                        .map_err(|e| format!("failed to write {}: {e}", file.display()))?;
                    jumped = true;
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!(
            "  {killed} kills, {} tasks taken back from an agent that never came back, {} s",
            excused.len(),
            start.elapsed().as_secs()
        );
        self.judge(begun, dead, &excused, killed, trouble)
    }

    /// An agent that has tasks in work, as the remote has it.
    fn somebody_at_work(&self, alive: &[usize]) -> Outcome<Option<usize>> {
        let unfinished = self.unfinished()?;
        let at_work = |n: &usize| {
            let folder = format!("In_Progress/{}/", Self::agent(*n));
            unfinished.iter().any(|path| path.starts_with(&folder))
        };
        Ok(alive.iter().copied().find(at_work))
    }

    /// What is not done yet, as the remote has it.
    fn unfinished(&self) -> Outcome<Vec<String>> {
        let listed = git(&self.home.join("remote.git"), &["ls-tree", "-r", "--name-only", "main"])?;
        let tasks = listed.lines().filter(|path| path.ends_with(".md") && !path.starts_with("Done/"));
        Ok(tasks.map(str::to_owned).collect())
    }

    fn judge(
        &self,
        begun: u64,
        dead: Option<usize>,
        excused: &BTreeSet<TaskId>,
        kills: usize,
        mut trouble: usize,
    ) -> Outcome<End> {
        let mut owners: BTreeMap<TaskId, BTreeSet<usize>> = BTreeMap::new();
        let mut last = begun;
        for n in 0..CLONES {
            for owned in Witness::read(&self.witness(n))? {
                last = last.max(owned.at);
                owners.entry(owned.id).or_default().insert(n);
            }
        }
        let remote = self.home.join("remote.git");
        let listed = git(&remote, &["ls-tree", "-r", "--name-only", "main"])?;
        let mut places: BTreeMap<TaskId, Vec<Location>> = BTreeMap::new();
        for path in listed.lines() {
            match Location::parse(path) {
                Ok(at) => places.entry(at.id.clone()).or_default().push(at),
                Err(_) if path == ".gitignore" => {}
                Err(_) => {
                    eprintln!("  {path} is left at the remote");
                    trouble += 1;
                }
            }
        }
        let (mut doubled, mut stranded) = (0, 0);
        for id in &self.ids {
            let mut who = owners.remove(id).unwrap_or_default();
            let places = places.remove(id).unwrap_or_default();
            let [Location { stage: Stage::Done { .. }, .. }] = &places[..] else {
                eprintln!("  {id} ended in {places:?}");
                stranded += 1;
                continue;
            };
            let text = git(&remote, &["show", &format!("main:{}", places[0].path())])?;
            let task = Task::parse(text.as_bytes(), id).map_err(|e| format!("failed to read {id}: {e}"))?;
            let doer = task.front.drafted_by.map(|agent| agent.to_string()).unwrap_or_default();
            if !who.iter().any(|n| Self::agent(*n) == doer) {
                eprintln!("  {id} was done by {doer}, and those that owned it were {who:?}");
                trouble += 1;
            }
            // What an agent had when it died, another one does after it.
            if excused.contains(id) && dead.is_some_and(|dead| Self::agent(dead) != doer) {
                who.retain(|n| Some(*n) != dead);
            }
            if who.len() != 1 {
                eprintln!("  {id} was worked on by {who:?}, seed {}", self.lab.seed());
                doubled += 1;
            }
        }
        trouble += owners.len() + places.len();
        let tree = git(&remote, &["rev-parse", "main^{tree}"])?;
        let mut shares = Vec::new();
        for n in 0..CLONES {
            let ids: BTreeSet<TaskId> = Witness::read(&self.witness(n))?.into_iter().map(|o| o.id).collect();
            shares.push(ids.len());
            let vault = self.home.join(Self::agent(n)).join("vault");
            if dead == Some(n) {
                continue;
            }
            let (here, status) =
                (git(&vault, &["rev-parse", "HEAD^{tree}"])?, git(&vault, &["status", "--porcelain"])?);
            if here != tree || !status.trim().is_empty() {
                eprintln!("  {} does not agree with the remote: {status}", Self::agent(n));
                trouble += 1;
            }
        }
        let per_claim =
            Duration::from_micros(last - begun) / u32::try_from(self.ids.len().max(1)).unwrap_or(u32::MAX);
        Ok(End { doubled, stranded, trouble, kills, per_claim, shares })
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new("git")
        .args(["-c", "user.name=torture", "-c", "user.email=torture@example.com", "-c", "gc.auto=0"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .map_err(|e| format!("failed to start git: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git {} failed: {}", arguments.join(" "), said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
