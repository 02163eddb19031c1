//! Connections: kept alive, counted, shared by the requests of one mount, and never between mounts.

use super::*;

#[tokio::test]
async fn one_connection_serves_many_requests_in_turn() {
    let server = Server::start(keep_alive).await;
    let mount = server.mount(&patient());
    for _ in 0..50 {
        assert_eq!(get(&mount, &server.url()).await.unwrap().0, 200);
    }
    assert_eq!(server.connections(), 1);
}

/// A busy machine may leave a connection idle for seconds.
fn patient() -> EgressLimits {
    EgressLimits { idle_timeout: Duration::from_secs(60), ..EgressLimits::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_requests_at_thirty_in_parallel_open_at_most_32_connections() {
    let server = Server::start(keep_alive).await;
    let mount = Arc::new(server.mount(&patient()));
    let mut workers = JoinSet::new();
    for _ in 0..30 {
        let (mount, url) = (Arc::clone(&mount), server.url());
        workers.spawn(async move {
            for _ in 0..100 {
                assert_eq!(get(&mount, &url).await.unwrap().1, "ok");
            }
        });
    }
    workers.join_all().await;
    assert!(server.connections() <= 32, "{} connections", server.connections());
}

#[tokio::test]
async fn connections_are_capped_even_where_requests_are_not() {
    let server = Server::start(keep_alive).await;
    let limits = EgressLimits { connections_per_authority_max: 2, ..EgressLimits::default() };
    let mount = Arc::new(server.mount(&limits));
    let mut workers = JoinSet::new();
    for _ in 0..20 {
        let (mount, url) = (Arc::clone(&mount), server.url());
        workers.spawn(async move { get(&mount, &url).await.unwrap().0 });
    }
    assert_eq!(workers.join_all().await, [200; 20]);
    assert!(server.connections() <= 2, "{} connections", server.connections());
}

#[tokio::test]
async fn connections_of_a_mount_are_capped_over_all_its_hosts() {
    let servers = [Server::start(keep_alive).await, Server::start(keep_alive).await];
    let origins = servers.each_ref().map(|server| format!("http://{}", server.address));
    let mount = |limits| {
        let egress = Egress::new(EgressSettings::default(), &EgressLimits { connections_per_mount_max: 1, ..limits });
        mount_of(&egress, &origins.each_ref().map(String::as_str))
    };
    // An idle connection to one host closes before another host gets one.
    let brief = mount(EgressLimits { idle_timeout: Duration::from_millis(100), ..EgressLimits::default() });
    for server in &servers {
        assert_eq!(get(&brief, &server.url()).await.unwrap().0, 200);
    }
    // As long as it is open, the request waits, and fails at the connect timeout.
    let kept = mount(EgressLimits { connect_timeout: Duration::from_millis(300), ..patient() });
    assert_eq!(get(&kept, &servers[0].url()).await.unwrap().0, 200);
    assert!(matches!(get(&kept, &servers[1].url()).await, Err(Error::ConnectionLimitReached)));
    assert_eq!(get(&kept, &servers[0].url()).await.unwrap().0, 200);
    assert_eq!(servers.map(|server| server.connections()), [2, 1]);
}

#[tokio::test]
async fn mounts_share_no_connection() {
    let server = Server::start(keep_alive).await;
    let origin = format!("http://{}", server.address);
    let egress = Egress::new(EgressSettings::default(), &EgressLimits::default());
    let (first, second) = (mount_of(&egress, &[&origin]), mount_of(&egress, &[&origin]));
    for _ in 0..3 {
        get(&first, &server.url()).await.unwrap();
        get(&second, &server.url()).await.unwrap();
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn requests_of_a_mount_are_bounded_and_the_next_waits_within_the_connect_timeout() {
    let server = Server::start(answering!("", hold)).await;
    let limits = EgressLimits {
        requests_per_mount_max: 1,
        connect_timeout: Duration::from_millis(50),
        ..EgressLimits::default()
    };
    let mount = Arc::new(server.mount(&limits));
    let (held, url) = (Arc::clone(&mount), server.url());
    let mut first = JoinSet::new();
    first.spawn(async move { drop(get(&held, &url).await) });
    while mount.requests.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(get(&mount, &server.url()).await, Err(Error::ConnectionLimitReached)));
    first.shutdown().await;
    assert_eq!(mount.requests.available_permits(), 1, "a dropped request gives its place back");
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_replaced_unseen() {
    fn once(mut stream: TcpStream) -> Task {
        Box::pin(async move {
            read_request(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
        })
    }
    let server = Server::start(once).await;
    let mount = server.mount(&EgressLimits::default());
    for number in 1..=3 {
        assert_eq!(exchange(&mount, request(Method::POST, &server.url())).await.unwrap().1, "ok");
        assert_eq!(server.connections(), number);
        // The connection's own task notices the close asynchronously.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_not_kept_for_ever() {
    let server = Server::start(keep_alive).await;
    let limits = EgressLimits { idle_timeout: Duration::from_millis(20), ..EgressLimits::default() };
    let mount = server.mount(&limits);
    get(&mount, &server.url()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    get(&mount, &server.url()).await.unwrap();
    assert_eq!(server.connections(), 2);
}
