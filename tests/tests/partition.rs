//! Machines that lose sight of each other, with the real programs.

use rustix::process::Signal;
use tests::{World, eventually};

/// How soon is measured by the seeded partitions (`cargo xtask torture --only partition`). Here it is
/// the programs' own rhythm that has to notice the end of one.
#[test]
fn machines_that_were_apart_agree_by_themselves_and_carry_out_what_was_signed_meanwhile() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    let (mut watching, mut deciding) = (cloud.start(&[]), owner.start(&[]));
    watching.until_said("ready");
    deciding.until_said("ready");
    let drafts = || owner.tasks().keys().filter(|path| path.starts_with("Pending_Approval/")).count();
    cloud.bring("EMAIL_1");
    cloud.bring("EMAIL_2");
    eventually("both drafts on the owner's machine", || drafts() == 2);

    let (remote, away) = (world.remote(), world.path().join("away.git"));
    std::fs::rename(&remote, &away).expect("the remote goes away");
    owner.ok(&["reject", "EMAIL_1", "--reason", "no"]);
    owner.approve("EMAIL_2");
    cloud.bring("EMAIL_3");
    owner.bring("EMAIL_4");
    watching.until_said("does not appear to be a git repository");
    deciding.until_said("does not appear to be a git repository");

    std::fs::rename(&away, &remote).expect("the remote comes back");
    let agree = || {
        let (here, there) = (owner.tasks(), cloud.tasks());
        here == there
            && here.len() == 4
            && !here.keys().any(|path| path.starts_with("Needs_Action/") || path.starts_with("In_Progress/"))
    };
    eventually("agreement", agree);
    assert_eq!(cloud.place("EMAIL_1"), "Rejected/EMAIL_1.md");
    assert!(cloud.place("EMAIL_2").starts_with("Done/"), "{}", cloud.place("EMAIL_2"));
    assert_eq!(owner.mails_sent(), 1);
    for daemon in [&mut watching, &mut deciding] {
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.end().code(), Some(0));
    }
}
