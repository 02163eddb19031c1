//! Names with several addresses, of which some are dead.

use std::net::IpAddr;
use std::sync::Mutex;

use tokio::net::TcpSocket;

use super::*;
use crate::egress::Resolve;

/// Resolves any name to these addresses.
struct Fixed(Mutex<Vec<IpAddr>>);

impl Fixed {
    fn at(addresses: &[&str]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(ips(addresses))))
    }
}

impl Resolve for Fixed {
    fn lookup(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(self.0.lock().unwrap().clone())
    }
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn mount(port: u16, resolver: Arc<Fixed>) -> MountEgress {
    let settings = EgressSettings { resolver, ..EgressSettings::default() };
    mount_of(&Egress::new(settings, &EgressLimits::default()), &[&format!("http://astra.example:{port}")])
}

fn url(port: u16) -> String {
    format!("http://astra.example:{port}/")
}

/// A port whose queue of connections is full: the system drops further ones.
async fn dropping(address: SocketAddr) -> (TcpListener, JoinSet<()>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut queued = JoinSet::new();
    for _ in 0..8 {
        queued.spawn(async move {
            let _stream = TcpStream::connect(address).await;
            std::future::pending().await
        });
    }
    // Accepts one more connection each time until the queue is full.
    while tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await.is_ok() {}
    (listener, queued)
}

#[tokio::test]
async fn a_dead_first_address_does_not_hide_a_living_one() {
    let server = Server::start(keep_alive).await;
    let port = server.address.port();
    // Addresses that drop packets, refuse, and have no route: documentation addresses are not routed, or refused.
    let (_listener, _queued) = dropping(SocketAddr::from(([127, 0, 0, 2], port))).await;
    for dead in ["127.0.0.2", "127.0.0.3", "::1"] {
        let mount = mount(port, Fixed::at(&[dead, "127.0.0.1"]));
        assert_eq!(get(&mount, &url(port)).await.unwrap().0, 200, "{dead}");
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn an_address_that_drops_packets_is_a_connect_timeout_and_one_that_refuses_says_so() {
    let address = {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let error = get(&mount(address.port(), Fixed::at(&["127.0.0.2"])), &url(address.port())).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionRefused), "{error:?}");
    let (_listener, _queued) = dropping(address).await;
    let limits = EgressLimits { connect_timeout: Duration::from_millis(300), ..EgressLimits::default() };
    let mount = mount_of(&Egress::new(EgressSettings::default(), &limits), &[&format!("http://{address}")]);
    let error = get(&mount, &format!("http://{address}/")).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionTimeout), "{error:?}");
}

#[tokio::test]
async fn each_address_is_checked_also_where_the_name_changes_its_mind() {
    let server = Server::start(keep_alive).await;
    let port = server.address.port();
    let resolver = Fixed::at(&["127.0.0.1"]);
    let limits = EgressLimits { idle_timeout: Duration::from_millis(1), ..EgressLimits::default() };
    let settings = EgressSettings { resolver: Arc::clone(&resolver) as _, ..EgressSettings::default() };
    let mount = mount_of(&Egress::new(settings, &limits), &[&format!("http://astra.example:{port}")]);
    get(&mount, &url(port)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // No name may resolve to a metadata service.
    *resolver.0.lock().unwrap() = ips(&["169.254.169.254", "fd00:ec2::254"]);
    let error = get(&mount, &url(port)).await.unwrap_err();
    assert!(matches!(error, Error::DestinationIpProhibited), "{error:?}");
    assert_eq!(server.connections(), 1);
}
