use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn begin(role: Role) -> (StateMachine, Instant) {
    let now = Instant::now();
    (StateMachine::new(role, now).0, now)
}

fn generation(n: u64) -> Generation {
    Generation::numbered(n)
}

/// A host with a first caller.
fn host_in_a_call() -> (StateMachine, Instant) {
    let (mut host, now) = begin(Role::Host);
    assert_eq!(host.handle(Input::Offer { resumes: None }, now), [Action::Answer(generation(1))]);
    assert_eq!(host.handle(Input::Connected(generation(1)), now), [Action::Attach(generation(1))]);
    (host, now)
}

fn joined() -> (StateMachine, Instant) {
    let (mut join, now) = begin(Role::Join);
    join.handle(Input::Connected(generation(1)), now);
    (join, now)
}

#[test]
fn a_second_caller_is_refused_while_the_first_is_heard() {
    let (mut host, now) = host_in_a_call();
    let refused = host.handle(Input::Offer { resumes: None }, now);
    assert!(matches!(refused[..], [Action::Refuse { .. }]), "{refused:?}");
    host.handle(Input::Silent(generation(1)), now);
    assert_eq!(host.phase(), Phase::Reconnecting);
    assert_eq!(host.handle(Input::Offer { resumes: None }, now), [Action::Answer(generation(2))]);
    let taken = host.handle(Input::Connected(generation(2)), now);
    assert_eq!(taken, [Action::Close(generation(1)), Action::Attach(generation(2))]);
}

#[test]
fn the_same_caller_comes_back_though_the_host_has_noticed_nothing() {
    let (mut host, now) = host_in_a_call();
    let again = host.handle(Input::Offer { resumes: Some(generation(1)) }, now);
    assert_eq!(again, [Action::Answer(generation(2))]);
    // It closes its old connection when the new one is there for it.
    assert_eq!(host.handle(Input::HungUp(generation(1)), now), [Action::Close(generation(1))]);
    assert_eq!(host.phase(), Phase::Reconnecting);
    assert_eq!(host.handle(Input::Connected(generation(2)), now), [Action::Attach(generation(2))]);
    assert_eq!(host.phase(), Phase::Connected(generation(2)));
}

#[test]
fn late_news_of_an_old_connection_change_nothing() {
    let (mut host, now) = host_in_a_call();
    host.handle(Input::HungUp(generation(1)), now);
    host.handle(Input::Offer { resumes: None }, now);
    host.handle(Input::Connected(generation(2)), now);
    let old = generation(1);
    for late in [
        Input::HungUp(old),
        Input::Silent(old),
        Input::Connected(old),
        Input::Broken { generation: old, why: String::new() },
        Input::AttemptFailed { generation: old, why: String::new(), cause: Cause::Failure, is_final: true },
    ] {
        assert_eq!(host.handle(late.clone(), now), [], "{late:?}");
        assert_eq!(host.phase(), Phase::Connected(generation(2)), "{late:?}");
    }
}

#[test]
fn a_call_whose_network_is_gone_tries_again_and_goes_on() {
    let (mut join, t) = joined();
    assert_eq!(join.handle(Input::Silent(generation(1)), t), []);
    assert_eq!(join.phase(), Phase::Reconnecting);
    assert_eq!(join.handle(Input::Tick, t + SECOND), [Action::Connect(generation(2))]);
    let failed =
        Input::AttemptFailed { generation: generation(2), why: "down".into(), cause: Cause::Input, is_final: false };
    assert_eq!(join.handle(failed, t + 2 * SECOND), [Action::Close(generation(2))]);
    assert_eq!(join.deadline(), Some(t + 4 * SECOND));
    assert_eq!(join.handle(Input::Tick, t + 4 * SECOND), [Action::Connect(generation(3))]);
    // The old connection is heard again before the new one is made: it stays.
    assert_eq!(join.handle(Input::Heard(generation(1)), t + 5 * SECOND), [Action::Close(generation(3))]);
    assert_eq!((join.phase(), join.deadline()), (Phase::Connected(generation(1)), None));
}

#[test]
fn it_ends_with_a_reason_after_half_a_minute() {
    let (mut join, t) = joined();
    join.handle(Input::Silent(generation(1)), t);
    let mut now = t;
    let mut attempts = 0;
    while let Some(deadline) = join.deadline() {
        now = deadline;
        attempts += join.handle(Input::Tick, now).iter().filter(|a| matches!(a, Action::Connect(_))).count();
    }
    assert_eq!(now, t + RECONNECT_LIMIT);
    assert!(attempts >= 3, "{attempts}");
    let Phase::Ended { why, cause } = join.phase() else { panic!("{:?}", join.phase()) };
    assert_eq!((why.as_str(), cause), ("the other side was not heard for 30 seconds", Cause::Failure));

    let (mut host, t) = host_in_a_call();
    host.handle(Input::Silent(generation(1)), t);
    let said = host.handle(Input::Tick, t + RECONNECT_LIMIT);
    assert!(matches!(&said[..], [Action::Close(_), Action::Notice(_)]), "{said:?}");
    assert_eq!(host.phase(), Phase::Waiting);
}

#[test]
fn a_host_that_has_ended_is_not_waited_for() {
    let (mut join, t) = joined();
    join.handle(Input::Silent(generation(1)), t);
    join.handle(Input::Tick, t + SECOND);
    let why = "nobody listens".to_owned();
    let refused = Input::AttemptFailed { generation: generation(2), why, cause: Cause::Input, is_final: true };
    join.handle(refused, t + SECOND);
    assert_eq!(join.phase(), Phase::Ended { why: "nobody listens".into(), cause: Cause::Failure });
}

#[test]
fn people_who_carry_lines_have_ten_minutes() {
    let (mut late, t) = begin(Role::Pasted);
    assert_eq!(late.deadline(), Some(t + 600 * SECOND));
    assert_eq!(late.handle(Input::Tick, t + 600 * SECOND), [Action::Close(generation(1))]);
    assert!(matches!(late.phase(), Phase::Ended { why, cause: Cause::Failure } if why.contains("10 minutes")));

    let (mut pasted, t) = begin(Role::Pasted);
    assert_eq!(pasted.handle(Input::Tick, t + 599 * SECOND), []);
    let connected = pasted.handle(Input::Connected(generation(1)), t + 599 * SECOND);
    assert_eq!(connected, [Action::Attach(generation(1))]);
    // They cannot make a new connection, but the old one may come back.
    pasted.handle(Input::Silent(generation(1)), t);
    assert_eq!(pasted.handle(Input::Tick, t + 10 * SECOND), []);
    pasted.handle(Input::Heard(generation(1)), t + 11 * SECOND);
    assert_eq!(pasted.phase(), Phase::Connected(generation(1)));
}

#[test]
fn a_first_connection_that_cannot_be_made_ends_the_call() {
    let (mut join, t) = begin(Role::Join);
    assert_eq!(join.phase(), Phase::Starting);
    join.handle(Input::Tick, t + ATTEMPT_LIMIT);
    join.handle(Input::Tick, t + 2 * ATTEMPT_LIMIT);
    join.handle(Input::Tick, t + CONNECT_LIMIT);
    let Phase::Ended { why, cause: Cause::Failure } = join.phase() else { panic!("{:?}", join.phase()) };
    assert!(why.contains("30 seconds"), "{why}");
    assert_eq!(join.handle(Input::Tick, t + 2 * CONNECT_LIMIT), []);
}

#[test]
fn a_first_attempt_whose_handshake_is_lost_is_followed_by_another() {
    let (mut join, t) = begin(Role::Join);
    let actions = join.handle(Input::Tick, t + ATTEMPT_LIMIT);
    assert_eq!(actions, [Action::Close(generation(1)), Action::Connect(generation(2))]);
    let why = "no way".to_owned();
    let actions = join.handle(Input::Broken { generation: generation(2), why: why.clone() }, t + 12 * SECOND);
    assert_eq!(actions, [Action::Close(generation(2)), Action::Connect(generation(3))]);
    assert_eq!(join.phase(), Phase::Starting);
    assert_eq!(join.handle(Input::Connected(generation(3)), t + 13 * SECOND), [Action::Attach(generation(3))]);
    // A host cannot call back: its caller tries again, or somebody else, if that one says nothing more.
    let (mut host, t) = begin(Role::Host);
    host.handle(Input::Offer { resumes: None }, t);
    let [Action::Refuse { .. }] = host.handle(Input::Offer { resumes: None }, t + SECOND)[..] else { panic!() };
    let actions = host.handle(Input::Offer { resumes: None }, t + ATTEMPT_UNDISTURBED);
    assert_eq!(actions, [Action::Close(generation(1)), Action::Answer(generation(2))]);
    // What it hears of an attempt that came to nothing is a notice.
    let (mut host, t) = begin(Role::Host);
    host.handle(Input::Offer { resumes: None }, t);
    let actions = host.handle(Input::Broken { generation: generation(1), why: why.clone() }, t + SECOND);
    assert_eq!(actions, [Action::Close(generation(1)), Action::Notice(why)]);
}

/// What the machine's actions do to the world, with what must hold at all times.
#[derive(Default)]
struct World {
    open: BTreeSet<Generation>,
    attached: Option<Generation>,
    /// Generations that were ever opened.
    last: u64,
}

impl World {
    fn perform(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Connect(generation) | Action::Answer(generation) => {
                    assert!(generation.0 > self.last, "a generation is used once");
                    self.last = generation.0;
                    self.open.insert(*generation);
                }
                Action::Attach(generation) => {
                    assert!(self.open.contains(generation), "nothing is attached that is closed");
                    self.attached = Some(*generation);
                }
                Action::Close(generation) => {
                    assert!(self.open.remove(generation), "nothing is closed twice");
                    self.attached = self.attached.filter(|attached| attached != generation);
                }
                Action::Refuse { .. } | Action::Notice(_) => {}
            }
        }
        assert!(self.open.len() <= 2, "one connection and one attempt at most");
    }
}

fn inputs() -> impl Strategy<Value = Input> {
    let known = (0..8_u64).prop_map(Generation);
    prop_oneof![
        proptest::option::of(known.clone()).prop_map(|resumes| Input::Offer { resumes }),
        known.clone().prop_map(Input::Connected),
        known.clone().prop_map(Input::Connected),
        known.clone().prop_map(Input::Silent),
        known.clone().prop_map(Input::Heard),
        known.clone().prop_map(Input::HungUp),
        known.clone().prop_map(|generation| Input::Broken { generation, why: "broken".into() }),
        (known, any::<bool>()).prop_map(|(generation, is_final)| Input::AttemptFailed {
            generation,
            why: "failed".into(),
            cause: Cause::Failure,
            is_final
        }),
        Just(Input::SourceGone { why: "gone".into() }),
        Just(Input::Tick),
        Just(Input::HangUp),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_world_stays_in_order(
        role in prop_oneof![Just(Role::Loopback), Just(Role::Host), Just(Role::Join), Just(Role::Pasted)],
        steps in proptest::collection::vec((inputs(), 0..8000_u64), 0..120),
    ) {
        let mut now = Instant::now();
        let (mut machine, actions) = StateMachine::new(role, now);
        let mut world = World::default();
        world.perform(&actions);
        for (input, pause) in steps {
            now += Duration::from_millis(pause);
            let ended = matches!(machine.phase(), Phase::Ended { .. });
            let offer = matches!(input, Input::Offer { .. });
            let before = (world.open.clone(), machine.phase());
            let late = match &input {
                Input::Connected(g) | Input::Silent(g) | Input::Heard(g) | Input::HungUp(g)
                | Input::Broken { generation: g, .. } | Input::AttemptFailed { generation: g, .. } => !machine.knows(*g),
                _ => false,
            };
            // Time by itself may change something, so it is let pass first.
            let passed = machine.handle(Input::Tick, now);
            world.perform(&passed);
            let quiet = passed.is_empty();
            let actions = machine.handle(input, now);
            world.perform(&actions);
            let answers = actions.iter().filter(|a| matches!(a, Action::Answer(_) | Action::Refuse { .. })).count();
            prop_assert_eq!(answers, usize::from(offer), "every offer has one answer");
            prop_assert!(!actions.iter().any(|a| matches!(a, Action::Answer(_))) || role == Role::Host);
            if late && quiet {
                prop_assert_eq!(&actions, &Vec::new(), "no action for a dead generation");
                prop_assert_eq!(before, (world.open.clone(), machine.phase()));
            }
            prop_assert_eq!(world.attached, machine.live());
            match machine.phase() {
                Phase::Ended { .. } => prop_assert!(world.open.is_empty(), "an end leaves nothing open"),
                Phase::Connected(generation) => prop_assert_eq!(world.attached, Some(generation)),
                Phase::Reconnecting => prop_assert!(machine.deadline().is_some(), "it ends some time"),
                Phase::Starting | Phase::Waiting => prop_assert_eq!(world.attached, None),
            }
            prop_assert!(!ended || matches!(machine.phase(), Phase::Ended { .. }), "an end is one");
            prop_assert!(machine.deadline().is_none_or(|at| at > now), "what was due is done");
        }
    }
}
