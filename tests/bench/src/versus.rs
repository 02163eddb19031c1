//! This plugin beside others, each on a server of its own: the same requests alternate, and the table shows ratios. The
//! others are programs that environment variables name; `base.sh` makes them, but for `OTHER_PLUGIN`.

mod goals;
mod spent;
mod subject;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use harness::openbao::ServerKind;
use harness::plugin_binary;

use self::goals::{Action, Other};
use self::subject::{Measured, Subject};
use crate::samples::{figure, median};
use crate::server::Paths;
use crate::table::{Table, Target, quantity};

/// Rounds that count; `BASE_ROUNDS` names another number.
const ROUNDS: u64 = 5;
/// Milliseconds of one load, but for revocations, which end with the leases; `BASE_ROUND_MS` names another number.
const ROUND_MILLISECONDS: u64 = 700;
/// Time in which the idle processes get no request: so often, so long. The first one only lets work end. The others are a
/// minute, for once a minute the server asks each mount to roll back, which is nearly all that an idle plugin does.
const IDLE_TIMES: usize = 13;
const IDLE: Duration = Duration::from_secs(5);

/// How long it is measured.
struct Plan {
    rounds: u64,
    length: Duration,
}

/// A compared plugin; none = this plugin, which comes first.
type Compared = (Option<Other>, Subject);

/// Figures of one load of each subject; none where a plugin cannot do it.
type Turn = Vec<Option<Measured>>;

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let programs: Vec<(Other, PathBuf)> = Other::ALL
        .into_iter()
        .filter_map(|other| Some((other, std::env::var_os(other.variable()).map(PathBuf::from)?)))
        .collect();
    if programs.is_empty() {
        table.section("this plugin beside others: not measured, for no program is named (`bash tests/bench/base.sh`)");
        return Ok(());
    }
    let plan = Plan {
        rounds: number("BASE_ROUNDS", ROUNDS)?,
        length: Duration::from_millis(number("BASE_ROUND_MS", ROUND_MILLISECONDS)?),
    };
    for (kind, clients) in [(ServerKind::Dev, &[1, 4, 16, 64][..]), (ServerKind::Raft, &[1, 16])] {
        let subjects = start(kind, &programs)?;
        let mut found = Vec::new();
        for &clients in clients {
            for (action, turns) in Action::ALL.into_iter().zip(rounds(&subjects, clients, &plan)?) {
                found.push((action, clients, turns));
            }
        }
        for (at, other) in subjects.iter().enumerate().filter_map(|(at, (other, _))| Some((at, (*other)?))) {
            let name = if kind == ServerKind::Raft { "on raft" } else { "in memory" };
            table.section(format!("this plugin ÷ {}, storage {name}, {} rounds in turns", other.name(), plan.rounds));
            for (action, clients, turns) in &found {
                report(table, kind, (other, at), (*action, *clients), turns);
            }
        }
        if kind == ServerKind::Dev {
            idle(&subjects, table)?;
        }
    }
    Ok(())
}

fn number(variable: &str, default: u64) -> anyhow::Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("`{variable}` is `{text}`, which is no number")),
        Err(_) => Ok(default),
    }
}

fn start(kind: ServerKind, programs: &[(Other, PathBuf)]) -> anyhow::Result<Vec<Compared>> {
    let begin = |(other, program): &(Other, PathBuf)| {
        let paths = if *other == Other::Theirs { Paths::Go } else { Paths::Own };
        let subject = Subject::start(kind, program, paths);
        Ok((Some(*other), subject.with_context(|| format!("failed to start {}", other.variable()))?))
    };
    let own = Subject::start(kind, &plugin_binary(), Paths::Own)?;
    std::iter::once(Ok((None, own))).chain(programs.iter().map(begin)).collect()
}

/// For each action, what the rounds found.
fn rounds(subjects: &[Compared], clients: usize, plan: &Plan) -> anyhow::Result<[Vec<Turn>; Action::ALL.len()]> {
    let mut found: [Vec<Turn>; Action::ALL.len()] = Default::default();
    for round in 0..=plan.rounds {
        for (action, found) in Action::ALL.into_iter().zip(&mut found) {
            let turn = one_turn(subjects, action, clients, plan.length, round % 2 == 1)?;
            // The first round warms up.
            if round > 0 {
                found.push(turn);
            }
        }
    }
    Ok(found)
}

/// One load of each subject. Each one may meet the rest of the work of the one before, so every second time the order is
/// the other way round.
fn one_turn(
    subjects: &[Compared],
    action: Action,
    clients: usize,
    length: Duration,
    is_reversed: bool,
) -> anyhow::Result<Turn> {
    let mut turn: Turn = subjects.iter().map(|_| None).collect();
    let mut order: Vec<_> = subjects.iter().zip(&mut turn).collect();
    if is_reversed {
        order.reverse();
    }
    for ((other, subject), measured) in order {
        if other.is_none_or(|other| other.can(action)) {
            let of = || other.map_or("PLUGIN_BIN", Other::variable);
            *measured = Some(subject.measure(action, clients, length).with_context(of)?);
        }
    }
    Ok(turn)
}

/// The rows of one action with one number of clients.
fn report(
    table: &mut Table,
    kind: ServerKind,
    (other, at): (Other, usize),
    (action, clients): (Action, usize),
    turns: &[Turn],
) {
    let pairs: Vec<(&Measured, &Measured)> =
        turns.iter().filter_map(|turn| Some((turn.first()?.as_ref()?, turn.get(at)?.as_ref()?))).collect();
    if pairs.is_empty() {
        return;
    }
    let compared = |figure: fn(&Measured) -> f64| Ratio::of(&pairs, figure);
    let rate = compared(|load| load.per_second);
    let what = format!("{}, {clients} at once: {:.0} and {:.0} req/s, {rate}", action.name(), rate.own, rate.other);
    match other.wanted(kind, action, clients) {
        Some(wanted) => table.target(what, rate.ratio, "×", Target::AtLeast(wanted)),
        None => table.figure(what, quantity(rate.ratio, "×"), ""),
    }
    let times = [("p50", compared(|load| load.p50)), ("p99", compared(|load| load.p99))];
    let times = times.map(|(name, time)| format!("{name} {:.2} and {:.2} ms, {time}", time.own, time.other));
    let ratios = [compared(|load| load.p50), compared(|load| load.p99)].map(|time| quantity(time.ratio, "×"));
    for (what, ratio) in times.into_iter().zip(ratios) {
        table.figure(format!("  {what}"), ratio, "");
    }
    let (plugin, server) = (compared(|load| load.plugin), compared(|load| load.server));
    let what = |name: &str, time: &Ratio| {
        format!("  {name}'s processor time for 1,000: {:.0} and {:.0} ms, {time}", time.own, time.other)
    };
    match other.wanted_time(kind, action, clients) {
        Some(wanted) => table.target(what("plugin", &plugin), plugin.ratio, "×", Target::AtMost(wanted)),
        None => table.figure(what("plugin", &plugin), quantity(plugin.ratio, "×"), ""),
    }
    table.figure(what("server", &server), quantity(server.ratio, "×"), "");
}

/// Wake-ups and processor time of the plugins' processes without requests.
fn idle(subjects: &[Compared], table: &mut Table) -> anyhow::Result<()> {
    let mut found: Vec<Vec<[f64; 2]>> = Vec::new();
    for time in 0..IDLE_TIMES {
        let spent =
            || subjects.iter().map(|(_, subject)| subject.spent_by_plugin()).collect::<anyhow::Result<Vec<_>>>();
        let before = spent()?;
        std::thread::sleep(IDLE);
        let since = spent()?.into_iter().zip(&before).map(|(now, before)| now.since(before));
        let each = since.map(|spent| [spent.wakes, spent.milliseconds].map(|figure| figure / IDLE.as_secs_f64()));
        if time > 0 {
            found.push(each.collect());
        }
    }
    table.section(format!(
        "idle: means of {} times {} s, with the least and the most of them",
        IDLE_TIMES - 1,
        IDLE.as_secs()
    ));
    for (what, unit, wanted, of) in [("wake-ups a second", "", 5.0, 0), ("processor time a second", "ms", 0.1, 1)] {
        let column = |at: usize| -> Vec<f64> { found.iter().filter_map(|each| Some(each.get(at)?[of])).collect() };
        let own = Spread::of(&column(0));
        table.target(format!("{what}, {own}"), own.mean, unit, Target::AtMost(wanted));
        for (at, other) in subjects.iter().enumerate().filter_map(|(at, (other, _))| Some((at, (*other)?))) {
            let compared = Spread::of(&column(at));
            // A process that never woke up has no ratio.
            let ratio = if compared.mean > 0.0 { quantity(own.mean / compared.mean, "×") } else { "none".to_owned() };
            let what = format!("  ÷ {}: {}, {compared}", other.name(), quantity(compared.mean, unit));
            table.figure(what, ratio, "");
        }
    }
    Ok(())
}

/// The mean of some figures, and the least and the most of them, which is what `Display` shows.
struct Spread {
    mean: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(figures: &[f64]) -> Self {
        let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let most = figures.iter().copied().fold(0.0, f64::max);
        Self { mean: figures.iter().sum::<f64>() / figure(figures.len()), least, most }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:.2} to {:.2}", self.least, self.most)
    }
}

/// Medians of a figure of both, the median of the ratios of the rounds, and the spread of these ratios, which is what
/// `Display` shows.
struct Ratio {
    own: f64,
    other: f64,
    ratio: f64,
    spread: Spread,
}

impl Ratio {
    fn of(pairs: &[(&Measured, &Measured)], figure: fn(&Measured) -> f64) -> Self {
        let (own, other): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(own, other)| (figure(own), figure(other))).unzip();
        let ratios: Vec<f64> = own.iter().zip(&other).map(|(own, other)| own / other).collect();
        Self { own: median(&own), other: median(&other), ratio: median(&ratios), spread: Spread::of(&ratios) }
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.spread.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(per_second: f64) -> Measured {
        Measured { per_second, p50: 1.0, p99: 2.0, plugin: 3.0, server: 4.0 }
    }

    #[test]
    fn ratios_are_of_the_same_round_and_show_their_spread() {
        let loads = [(1.0, 2.0), (3.0, 2.0), (8.0, 4.0)].map(|(own, other)| (measured(own), measured(other)));
        let pairs: Vec<_> = loads.iter().map(|(own, other)| (own, other)).collect();
        let compared = Ratio::of(&pairs, |load| load.per_second);
        assert!((compared.ratio - 1.5).abs() < f64::EPSILON);
        assert_eq!(compared.to_string(), "0.50 to 2.00");
    }

    #[test]
    fn goals_are_those_of_reads_and_writes_in_memory_and_on_raft() {
        let wanted = |kind, action, clients| Other::Base.wanted(kind, action, clients);
        assert_eq!(wanted(ServerKind::Dev, Action::ReadRole, 64), Some(1.15));
        assert_eq!(wanted(ServerKind::Dev, Action::Creds, 1), Some(1.6));
        assert_eq!(wanted(ServerKind::Dev, Action::Creds, 4), None);
        assert_eq!(wanted(ServerKind::Raft, Action::ReadRole, 1), None);
        assert_eq!(wanted(ServerKind::Raft, Action::Renew, 16), Some(1.3));
        assert_eq!(Other::OneRead.wanted(ServerKind::Dev, Action::ReadConfig, 16), Some(0.75));
        assert!(!Other::OneRead.can(Action::Creds));
    }
}
