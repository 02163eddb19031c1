//! Requests that get a permit, that wait, and that are refused.

#![expect(clippy::unwrap_used, reason = "tests")]

use tokio::task::JoinSet;

use super::*;

const WAIT: Duration = Duration::from_secs(5);

fn permits(max: usize, guaranteed: usize) -> Permits {
    Permits::new(max, &Limits { requests_guaranteed_per_mount: guaranteed, ..Limits::default() })
}

/// A mount that uses no processor time.
fn mount(permits: &Permits) -> MountPermits {
    permits.mount(&ProcessorShare::alone())
}

/// All permits that a mount gets without waiting.
async fn all(mount: &MountPermits) -> Vec<Permit> {
    let mut held = Vec::new();
    while let Ok(permit) = mount.acquire(0, Duration::ZERO).await {
        held.push(permit);
    }
    held
}

#[tokio::test(start_paused = true)]
async fn one_mount_gets_half_and_the_next_ones_their_shares() {
    let permits = permits(1_000, 16);
    let [first, second, third] = [mount(&permits), mount(&permits), mount(&permits)];
    let of_first = all(&first).await;
    let of_second = all(&second).await;
    let of_third = all(&third).await;
    assert_eq!((of_first.len(), of_second.len(), of_third.len()), (500, 250, 125));
    // Returned permits are shared anew.
    drop(of_second);
    assert!(all(&third).await.len() > 50);
    assert_eq!(all(&first).await.len(), 0, "it holds more than are free");
    drop((of_first, of_third));
    assert_eq!(permits.state().free, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_few_are_guaranteed_to_each_mount_while_any_are_free() {
    let permits = permits(20, 4);
    let mounts = [(); 6].map(|()| mount(&permits));
    let mut held = Vec::new();
    let mut counts = Vec::new();
    for mount in &mounts {
        let of_mount = all(mount).await;
        counts.push(of_mount.len());
        held.extend(of_mount);
    }
    assert_eq!(counts, [10, 5, 4, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_mount_in_debt_of_processor_time_gets_the_guaranteed_permits_only() {
    let (permits, processor) = (permits(1_000, 16), ProcessorShare::alone());
    let busy = permits.mount(&processor);
    processor.charge(Duration::from_secs(1));
    let held = all(&busy).await;
    assert_eq!(held.len(), 16);
    assert_eq!(all(&mount(&permits)).await.len(), 492, "half of the others");
    drop(held);
    assert_eq!(all(&busy).await.len(), 16, "it finds its own also later");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_the_end_of_a_debt_gets_a_permit_when_the_debt_ends() {
    let (permits, processor) = (permits(1_000, 1), ProcessorShare::alone());
    let busy = permits.mount(&processor);
    let _guaranteed = busy.acquire(0, WAIT).await.unwrap();
    processor.charge(Limits::default().processor_burst_per_mount * 2);
    let began = Instant::now();
    // Nothing gives a permit back meanwhile, and no other request comes.
    let _held = busy.acquire(0, WAIT).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_request_looks_again_while_requests_in_the_queue_for_turns_prolong_the_debt() {
    let (permits, processor) = (permits(1_000, 1), ProcessorShare::alone());
    let busy = permits.mount(&processor);
    let _guaranteed = busy.acquire(0, WAIT).await.unwrap();
    processor.enqueue();
    let began = Instant::now();
    let queue_ends = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        processor.dequeue();
    };
    let (held, ()) = tokio::join!(busy.acquire(0, WAIT), queue_ends);
    held.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(1) + DEBT_LOOK_PAUSE, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_names_the_limit_that_it_waited_for() {
    let permits = permits(2, 1);
    let (flooded, other) = (mount(&permits), mount(&permits));
    let held = flooded.acquire(0, WAIT).await.unwrap();
    assert_eq!(flooded.acquire(0, WAIT).await.err(), Some(Refusal::Waited("requests in flight to this mount")));
    let last = other.acquire(0, WAIT).await.unwrap();
    assert_eq!(flooded.acquire(0, WAIT).await.err(), Some(Refusal::Waited("requests in flight")));
    drop((held, last));
    assert_eq!(permits.state().free, 2);
}

#[tokio::test(start_paused = true)]
async fn freed_permits_go_to_the_mounts_in_turn_and_within_one_in_order() {
    let permits = permits(2, 1);
    let (a, b) = (Arc::new(mount(&permits)), Arc::new(mount(&permits)));
    let held = [a.acquire(0, WAIT).await.unwrap(), b.acquire(0, WAIT).await.unwrap()];
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = JoinSet::new();
    for (mount, name) in [(&a, "a1"), (&a, "a2"), (&a, "a3"), (&b, "b1"), (&b, "b2")] {
        let (mount, order) = (Arc::clone(mount), Arc::clone(&order));
        waiting.spawn(async move {
            let permit = mount.acquire(0, WAIT).await.unwrap();
            order.lock().unwrap().push(name);
            sleep(Duration::from_millis(10)).await;
            drop(permit);
        });
        tokio::task::yield_now().await;
    }
    drop(held);
    waiting.join_all().await;
    assert_eq!(*order.lock().unwrap(), ["a1", "b1", "a2", "b2", "a3"]);
    assert_eq!(permits.state().free, 2);
}

#[tokio::test(start_paused = true)]
async fn waiting_requests_are_limited_by_count_and_bytes_and_abandoned_ones_do_not_count() {
    let limits = Limits {
        requests_guaranteed_per_mount: 1,
        requests_waiting_per_mount_max: 2,
        waiting_bytes_per_mount_max: 100,
        ..Limits::default()
    };
    let permits = Permits::new(1, &limits);
    let mount = Arc::new(mount(&permits));
    let held = mount.acquire(0, WAIT).await.unwrap();
    let wait = async |waiting: &mut JoinSet<_>, bytes: usize| {
        let mount = Arc::clone(&mount);
        let task = waiting.spawn(async move { mount.acquire(bytes, WAIT).await.map(drop) });
        tokio::task::yield_now().await;
        task
    };
    let mut waiting = JoinSet::new();
    let first = wait(&mut waiting, 60).await;
    assert_eq!(mount.acquire(41, WAIT).await.err(), Some(Refusal::Full), "bytes");
    wait(&mut waiting, 40).await;
    assert_eq!(mount.acquire(0, WAIT).await.err(), Some(Refusal::Full), "count");
    first.abort();
    assert!(waiting.join_next().await.unwrap().unwrap_err().is_cancelled());
    wait(&mut waiting, 60).await;
    drop(held);
    assert_eq!(waiting.join_all().await, [Ok(()), Ok(())]);
    assert_eq!(permits.state().free, 1);
    drop(Arc::try_unwrap(mount).ok().unwrap());
    assert!(permits.state().mounts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_for_which_there_is_no_room_is_refused_late() {
    let began = Instant::now();
    assert_eq!(refuse_late(WAIT, OF_MOUNT).await, InvokeError::Busy("requests in flight to this mount"));
    let waited = began.elapsed();
    assert!(waited >= WAIT / 2 && waited <= WAIT, "{waited:?}");
}
