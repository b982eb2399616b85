//! What a call decides: who is connected, who may call, when to reconnect, when it is over. Pure: inputs and time
//! come in, actions go out, and no socket, thread or clock is touched.
//!
//! Every connection has a [`Generation`]. At most two exist at once: the one that is *live* (what is sent and shown
//! goes over it) and an *attempt* to make the next one. Whatever concerns another generation is late and is dropped.
//!
//! ```text
//!            attempt connected            not heard                  heard, or an attempt connected
//! Starting ────────────────────▶ Connected ─────────▶ Reconnecting ────────────────────────────────▶ Connected
//! Waiting (a host) ◀── hung up ──────┘                      │ 30 s
//!                                                           ▼
//!                                                        Ended; a host: Waiting
//! ```

use std::time::{Duration, Instant};

use super::Cause;

/// How long a call tries to reconnect before it gives up.
pub(super) const RECONNECT_LIMIT: Duration = Duration::from_secs(30);
/// Time for the connection to come back by itself, before a new one is tried.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// Time between one failed attempt to reconnect and the next.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// How long it may take at first until packets flow.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// How long a single attempt of these may take where another can follow: a handshake of which too much is lost ends
/// nowhere.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);
/// So long a host lets nobody else disturb an attempt. After that its caller has perhaps crashed.
const ATTEMPT_UNDISTURBED: Duration = Duration::from_secs(5);
/// How long an attempt may take while reconnecting: an attempt made while the network was away is of no use when it is back.
const RECONNECT_ATTEMPT_LIMIT: Duration = Duration::from_secs(6);

/// How long people may take to carry descriptions from one side to the other.
pub const PASTE_LIMIT: Duration = Duration::from_secs(600);

/// One connection of a call, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Generation(u64);

#[cfg(test)]
impl Generation {
    pub(super) const fn numbered(number: u64) -> Self {
        Self(number)
    }
}

/// Which side of the signalling this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Both ends are here.
    Loopback,
    /// Waits for callers.
    Host,
    /// Calls a host.
    Join,
    /// Descriptions are carried by people, once.
    Pasted,
}

impl Role {
    /// Whether this side can make a new connection by itself.
    const fn reconnects(self) -> bool {
        matches!(self, Self::Loopback | Self::Join)
    }
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Somebody offers a call to this host. `resumes`: the connection that the caller says it had.
    Offer { resumes: Option<Generation> },
    /// Packets flow.
    Connected(Generation),
    /// The other side has not been heard for some seconds.
    Silent(Generation),
    /// It is heard again.
    Heard(Generation),
    /// The other side has said that it leaves.
    HungUp(Generation),
    /// The connection cannot be used any more.
    Broken { generation: Generation, why: String },
    /// A connection could not be made. `is_final`: trying again is of no use.
    AttemptFailed { generation: Generation, why: String, cause: Cause, is_final: bool },
    /// The source gives no more pictures; the call goes on.
    SourceGone { why: String },
    /// This side ends the call.
    HangUp,
    /// Time has passed.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Make a new connection.
    Connect(Generation),
    /// Answer the offer that has just come.
    Answer(Generation),
    /// Refuse the offer that has just come.
    Refuse { why: &'static str },
    /// Send over this connection, and show what comes over it, from now on.
    Attach(Generation),
    /// End this connection. If it was attached it is so no more.
    Close(Generation),
    /// Tell the user.
    Notice(String),
}

/// Where the call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first connection is being made.
    Starting,
    /// A host without a caller.
    Waiting,
    /// Over this connection.
    Connected(Generation),
    /// The other side is not heard; it was connected before.
    Reconnecting,
    /// It is over.
    Ended { why: String, cause: Cause },
}

#[derive(Debug)]
struct Attempt {
    generation: Generation,
    since: Instant,
}

/// The decisions of one call.
#[derive(Debug)]
pub(super) struct StateMachine {
    role: Role,
    /// Generations that were given out.
    count: u64,
    live: Option<Generation>,
    attempt: Option<Attempt>,
    /// Since when the other side has not been heard.
    lost_since: Option<Instant>,
    /// When the next attempt begins, if none is under way.
    retry: Option<Instant>,
    /// When the first attempt began that has not led to a connection yet, and neither did those after it.
    connecting_since: Option<Instant>,
    ended: Option<(String, Cause)>,
    actions: Vec<Action>,
}

impl StateMachine {
    /// A call that begins now, and what it does first.
    pub(super) fn new(role: Role, now: Instant) -> (Self, Vec<Action>) {
        let mut machine = Self {
            role,
            count: 0,
            live: None,
            attempt: None,
            lost_since: None,
            retry: None,
            connecting_since: None,
            ended: None,
            actions: Vec::new(),
        };
        if role != Role::Host {
            machine.connect(now);
        }
        let actions = std::mem::take(&mut machine.actions);
        (machine, actions)
    }

    /// Where the call stands.
    pub(super) fn phase(&self) -> Phase {
        if let Some((why, cause)) = &self.ended {
            return Phase::Ended { why: why.clone(), cause: *cause };
        }
        match (self.lost_since, self.live, self.role) {
            (Some(_), ..) => Phase::Reconnecting,
            (None, Some(generation), _) => Phase::Connected(generation),
            (None, None, Role::Host) => Phase::Waiting,
            (None, None, _) => Phase::Starting,
        }
    }

    /// The connection that is sent and shown over.
    pub(super) const fn live(&self) -> Option<Generation> {
        self.live
    }

    /// Whether the generation is live or under way. What comes from any other is late.
    pub(super) fn knows(&self, generation: Generation) -> bool {
        self.live == Some(generation) || self.is_attempt(generation)
    }

    /// When [`Input::Tick`] is due at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let give_up = self.lost_since.map(|since| since + RECONNECT_LIMIT);
        let retry = self.retry.filter(|_| self.attempt.is_none());
        [give_up, retry, self.attempt_deadline()].into_iter().flatten().min()
    }

    /// Takes an input and says what is to be done.
    pub(super) fn handle(&mut self, input: Input, now: Instant) -> Vec<Action> {
        if self.ended.is_none() {
            self.decide(input, now);
        } else if matches!(input, Input::Offer { .. }) {
            self.actions.push(Action::Refuse { why: "the call is over" });
        }
        std::mem::take(&mut self.actions)
    }

    fn decide(&mut self, input: Input, now: Instant) {
        match input {
            Input::Offer { resumes } => self.offer(resumes, now),
            Input::Connected(generation) if self.is_attempt(generation) => {
                self.attempt = None;
                self.connecting_since = None;
                self.close_live();
                self.live = Some(generation);
                self.found();
                self.actions.push(Action::Attach(generation));
            }
            Input::Connected(generation) | Input::Heard(generation) if self.live == Some(generation) => {
                if self.lost_since.is_some() {
                    self.found();
                    self.close_attempt();
                }
            }
            Input::Silent(generation) if self.live == Some(generation) => self.lost(now, RECONNECT_AFTER),
            Input::HungUp(generation) if self.live == Some(generation) => {
                self.close_live();
                if self.attempt.is_some() {
                    // The other side closes the old connection, since the new one is there for it already.
                    self.lost(now, RETRY_AFTER);
                } else {
                    self.over("the other side has hung up", Cause::Finished);
                }
            }
            Input::HungUp(generation) => {
                let why = "the other side gave up before packets flowed";
                self.attempt_failed(generation, why, Cause::Finished, false, now);
            }
            Input::Broken { generation, why } if self.live == Some(generation) => {
                self.close_live();
                if self.role == Role::Pasted {
                    self.over(&why, Cause::Failure);
                } else {
                    self.lost(now, Duration::ZERO);
                }
            }
            Input::Broken { generation, why } => self.attempt_broke(generation, &why, now),
            Input::AttemptFailed { generation, why, cause, is_final } => {
                self.attempt_failed(generation, &why, cause, is_final, now);
            }
            Input::SourceGone { why } => self.actions.push(Action::Notice(why)),
            Input::HangUp => self.end("the call was ended here", Cause::Finished),
            Input::Connected(_) | Input::Silent(_) | Input::Heard(_) | Input::Tick => {}
        }
        self.tick(now);
    }

    /// A second caller is refused while the first is heard. A caller who names its own connection made a new one
    /// because the network was lost for it, whatever this side has noticed.
    fn offer(&mut self, resumes: Option<Generation>, now: Instant) {
        let same_caller = resumes.is_some_and(|generation| self.knows(generation));
        let attempted = self.attempt.as_ref().is_some_and(|attempt| now < attempt.since + ATTEMPT_UNDISTURBED);
        let busy = attempted || (self.live.is_some() && self.lost_since.is_none());
        if self.role != Role::Host || (busy && !same_caller) {
            let why = "another call is going on here; try again when it has ended";
            self.actions.push(Action::Refuse { why });
            return;
        }
        self.close_attempt();
        let generation = self.begin(now);
        self.actions.push(Action::Answer(generation));
    }

    fn attempt_failed(&mut self, generation: Generation, why: &str, cause: Cause, is_final: bool, now: Instant) {
        if !self.is_attempt(generation) {
            return;
        }
        self.close_attempt();
        if self.lost_since.is_none() {
            if self.live.is_none() {
                self.over(why, cause);
            }
        } else if is_final {
            self.over(why, Cause::Failure);
        } else {
            self.retry = self.role.reconnects().then_some(now + RETRY_AFTER);
        }
    }

    /// The two sides have each other's descriptions, but no packets flow: another attempt may do.
    fn attempt_broke(&mut self, generation: Generation, why: &str, now: Instant) {
        let time_left = self.connecting_since.is_some_and(|since| now < since + CONNECT_LIMIT);
        if self.is_attempt(generation) && self.lost_since.is_none() && self.role.reconnects() && time_left {
            self.close_attempt();
            self.connect(now);
        } else {
            self.attempt_failed(generation, why, Cause::Failure, false, now);
        }
    }

    fn tick(&mut self, now: Instant) {
        if self.ended.is_some() {
            return;
        }
        if self.lost_since.is_some_and(|since| now >= since + RECONNECT_LIMIT) {
            let why = format!("the other side was not heard for {} seconds", RECONNECT_LIMIT.as_secs());
            return self.over(&why, Cause::Failure);
        }
        if self.attempt_deadline().is_some_and(|at| now >= at)
            && let Some(attempt) = &self.attempt
        {
            let (generation, limit) = (attempt.generation, self.time_to_connect().as_secs());
            let why = if self.role == Role::Pasted {
                format!(
                    "no connection within {} minutes: the lines were not pasted in time on both sides, or UDP is \
                     blocked between them (a firewall?)",
                    limit / 60
                )
            } else {
                format!("no connection within {limit} seconds: UDP is blocked between the two sides (a firewall?)")
            };
            self.attempt_broke(generation, &why, now);
        }
        if self.attempt.is_none() && self.retry.is_some_and(|at| now >= at) {
            self.connect(now);
        }
    }

    fn is_attempt(&self, generation: Generation) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.generation == generation)
    }

    fn attempt_limit(&self) -> Duration {
        match self.role {
            Role::Pasted => PASTE_LIMIT,
            _ if self.lost_since.is_some() => RECONNECT_ATTEMPT_LIMIT,
            _ if self.role.reconnects() => ATTEMPT_LIMIT,
            _ => CONNECT_LIMIT,
        }
    }

    /// How long all attempts together may take, as far as the user is concerned.
    fn time_to_connect(&self) -> Duration {
        if self.role.reconnects() && self.lost_since.is_none() { CONNECT_LIMIT } else { self.attempt_limit() }
    }

    fn attempt_deadline(&self) -> Option<Instant> {
        self.attempt.as_ref().map(|attempt| attempt.since + self.attempt_limit())
    }

    fn begin(&mut self, now: Instant) -> Generation {
        self.count += 1;
        let generation = Generation(self.count);
        self.attempt = Some(Attempt { generation, since: now });
        self.connecting_since.get_or_insert(now);
        self.retry = None;
        generation
    }

    fn connect(&mut self, now: Instant) {
        let generation = self.begin(now);
        self.actions.push(Action::Connect(generation));
    }

    fn lost(&mut self, now: Instant, retry_after: Duration) {
        if self.lost_since.is_none() {
            self.lost_since = Some(now);
        }
        if self.role.reconnects() && self.attempt.is_none() && self.retry.is_none_or(|at| at > now + retry_after) {
            self.retry = Some(now + retry_after);
        }
    }

    fn found(&mut self) {
        self.lost_since = None;
        self.retry = None;
    }

    fn close_live(&mut self) {
        self.actions.extend(self.live.take().map(Action::Close));
    }

    fn close_attempt(&mut self) {
        self.actions.extend(self.attempt.take().map(|attempt| Action::Close(attempt.generation)));
    }

    /// Nobody is connected any more. A host waits for the next caller.
    fn over(&mut self, why: &str, cause: Cause) {
        if self.role == Role::Host {
            self.close_live();
            self.close_attempt();
            self.found();
            self.actions.push(Action::Notice(why.to_owned()));
        } else {
            self.end(why, cause);
        }
    }

    fn end(&mut self, why: &str, cause: Cause) {
        self.close_live();
        self.close_attempt();
        self.found();
        self.ended = Some((why.to_owned(), cause));
    }
}

#[cfg(test)]
mod tests;
