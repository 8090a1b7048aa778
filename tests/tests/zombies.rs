//! An agent that stands still for longer than its lease, with the real programs.

use rustix::process::Signal;
use tests::{World, eventually};

/// The cloud's agent is stopped in the middle of its work, for longer than its lease; another one
/// takes the task back and does it. What the first one pushes late counts no more.
#[test]
fn a_zombies_late_work_is_refused_and_the_task_stays_whose_it_is() {
    let world = World::with("watchers: { mock_channels: [] }\nclaims: { stale_minutes: 0 }\n");
    let (mut cloud, owner) = (world.cloud(), world.owner());
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    cloud.bring("EMAIL_1");
    cloud.environment.insert("AI_EMPLOYEE_FAULT".into(), "draft.place:1:stop".into());
    let mut zombie = cloud.start(&["--once"]);
    eventually("the claim at the remote", || {
        world.git(&["ls-tree", "-r", "--name-only", "main"]).contains("In_Progress/cloud-001/EMAIL_1.md")
    });
    // It stands still right before it writes its draft. The owner's agent sees the claim twice
    // without any sign of life in between.
    eventually("the owner's agent has the task", || {
        owner.ok(&["--once"]);
        owner.tasks().contains_key("Pending_Approval/APPROVE_EMAIL_1.md")
    });
    let drafted = owner.read("Pending_Approval/APPROVE_EMAIL_1.md");
    assert!(drafted.contains("drafted_by: local-001"), "{drafted}");
    assert!(!zombie.has_ended());

    zombie.signal(Signal::CONT);
    zombie.end();
    cloud.environment.clear();
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);
    assert_eq!(owner.place("EMAIL_1"), "Pending_Approval/APPROVE_EMAIL_1.md");
    assert_eq!(owner.read("Pending_Approval/APPROVE_EMAIL_1.md"), drafted);
    assert_eq!(cloud.tasks(), owner.tasks());
}
