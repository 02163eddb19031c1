//! Selects one of several addresses by RFC 8305, "Happy Eyeballs": families alternate, each attempt begins a little
//! after the previous one, or at once if that one failed, and the first connection wins.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

/// The addresses, with families alternating and the first address first. The order within a family stays.
pub(crate) fn alternating(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let begins_with_v6 = found.first().is_some_and(IpAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        found.into_iter().partition(|ip| ip.is_ipv6() == begins_with_v6);
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    while let Some(ip) = first.pop_front().or_else(|| second.pop_front()) {
        ordered.push(ip);
        std::mem::swap(&mut first, &mut second);
    }
    ordered
}

/// The first connection that succeeds.
///
/// # Errors
/// The error of each address, in the order of the failures.
pub(crate) async fn first_connected<T, F>(
    addresses: &[SocketAddr],
    stagger: Duration,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<(SocketAddr, io::Error)>>
where
    F: Future<Output = io::Result<T>>,
{
    let attempt = async |address| (address, connect(address).await);
    let mut waiting = addresses.iter().copied().peekable();
    let mut attempts = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(attempt(address));
        }
        let has_more = waiting.peek().is_some();
        tokio::select! {
            ended = attempts.next() => match ended {
                Some((_, Ok(connected))) => return Ok(connected),
                Some((address, Err(error))) => failed.push((address, error)),
                None => return Err(failed),
            },
            () = tokio::time::sleep(stagger), if has_more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::cell::RefCell;

    use tokio::time::Instant;

    use super::*;

    const STAGGER: Duration = Duration::from_millis(250);

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_begin_with_the_first_one() {
        let rows: [(&[&str], &[&str]); 4] = [
            (&["::1", "::2", "1.1.1.1", "2.2.2.2"], &["::1", "1.1.1.1", "::2", "2.2.2.2"]),
            (&["1.1.1.1", "2.2.2.2", "::1"], &["1.1.1.1", "::1", "2.2.2.2"]),
            (&["1.1.1.1", "2.2.2.2"], &["1.1.1.1", "2.2.2.2"]),
            (&[], &[]),
        ];
        for (found, expected) in rows {
            assert_eq!(alternating(ips(found)), ips(expected));
        }
    }

    /// Behaviour of an address, by its port: 1 never answers, 2 refuses, 3 accepts, 4 accepts after a second.
    async fn play(port: u16) -> io::Result<u16> {
        match port {
            1 => std::future::pending().await,
            2 => return Err(io::ErrorKind::ConnectionRefused.into()),
            4 => tokio::time::sleep(Duration::from_secs(1)).await,
            _ => {}
        }
        Ok(port)
    }

    /// The outcome, its time, and the start of each attempt.
    async fn race(ports: &[u16]) -> (Result<u16, usize>, Duration, Vec<(u16, Duration)>) {
        let began = Instant::now();
        let attempts = RefCell::new(Vec::new());
        let addresses: Vec<SocketAddr> = ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect();
        let outcome = first_connected(&addresses, STAGGER, |address| {
            attempts.borrow_mut().push((address.port(), began.elapsed()));
            play(address.port())
        });
        let outcome = outcome.await.map_err(|failed| failed.len());
        (outcome, began.elapsed(), attempts.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_never_answers_costs_one_stagger() {
        let (outcome, after, attempts) = race(&[1, 3]).await;
        assert_eq!((outcome, after), (Ok(3), STAGGER));
        assert_eq!(attempts, [(1, Duration::ZERO), (3, STAGGER)]);
        let (outcome, after, _) = race(&[1, 1, 1, 3]).await;
        assert_eq!((outcome, after), (Ok(3), 3 * STAGGER));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_nothing() {
        let (outcome, after, _) = race(&[2, 2, 3]).await;
        assert_eq!((outcome, after), (Ok(3), Duration::ZERO));
        // The same if the previous address is still silent.
        let (outcome, after, _) = race(&[1, 2, 3]).await;
        assert_eq!((outcome, after), (Ok(3), STAGGER));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_address_that_began_earlier_may_still_win() {
        let (outcome, after, _) = race(&[4, 1, 1]).await;
        assert_eq!((outcome, after), (Ok(4), Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_answers_keeps_the_others_from_being_tried() {
        let (_, _, attempts) = race(&[3, 3, 3]).await;
        assert_eq!(attempts.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_error_lists_the_failure_of_each_address() {
        let (outcome, after, _) = race(&[2, 2, 2]).await;
        assert_eq!((outcome, after), (Err(3), Duration::ZERO));
        assert_eq!(race(&[]).await.0, Err(0));
    }
}
