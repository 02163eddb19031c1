//! DNS that hangs, and requests that continue meanwhile.

use std::net::IpAddr;
use std::sync::{Condvar, Mutex};

use super::*;
use crate::egress::Resolve;
use crate::egress::connect_error::ConnectError;
use crate::egress::lookup::Lookups;
use crate::egress::progress::Phase;

/// Resolves to loopback; names that begin with `hang` resolve only after the test says so.
#[derive(Default)]
struct Hanging {
    asked: Mutex<Vec<String>>,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Hanging {
    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == name).count()
    }

    fn end(&self) {
        *self.is_over.lock().unwrap() = true;
        self.over.notify_all();
    }
}

impl Resolve for Hanging {
    fn lookup(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        if name.starts_with("hang") {
            let is_over = self.is_over.lock().unwrap();
            drop(self.over.wait_while(is_over, |is_over| !*is_over).unwrap());
        }
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

/// Ends the look-ups with the test, also with a failed one.
struct Resolver(Arc<Hanging>);

impl Drop for Resolver {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn impatient() -> EgressLimits {
    EgressLimits { lookup_deadline: Duration::from_millis(100), lookups_per_mount_max: 2, ..EgressLimits::default() }
}

const HOSTS: [&str; 4] = ["hang-1.example", "hang-2.example", "hang-3.example", "good.example"];

fn egress(resolver: &Resolver) -> Arc<Egress> {
    let resolver: Arc<dyn Resolve> = Arc::clone(&resolver.0) as _;
    Egress::new(EgressSettings { resolver, ..EgressSettings::default() }, &impatient())
}

/// A mount that may send requests to all hosts at this port.
fn mount(egress: &Arc<Egress>, port: u16) -> MountEgress {
    let origins = HOSTS.map(|host| format!("http://{host}:{port}"));
    mount_of(egress, &origins.each_ref().map(String::as_str))
}

#[tokio::test]
async fn a_name_whose_look_up_hangs_is_a_dns_timeout_and_takes_one_thread() {
    let server = Server::start(keep_alive).await;
    let resolver = Resolver(Arc::default());
    let mount = mount(&egress(&resolver), server.address.port());
    let url = format!("http://hang-1.example:{}/", server.address.port());
    for _ in 0..3 {
        let error = get(&mount, &url).await.unwrap_err();
        assert!(matches!(error, Error::DnsTimeout), "{error:?}");
    }
    assert_eq!(resolver.0.asked("hang-1.example"), 1, "the second request waits for the look-up of the first");
    assert_eq!(server.connections(), 0);
    resolver.0.end();
    // The look-up that hung answers all waiting requests, and later requests begin another one.
    while get(&mount, &url).await.is_err() {}
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_look_up_that_hangs_stops_no_other_name_and_no_other_mount() {
    let server = Server::start(keep_alive).await;
    let resolver = Resolver(Arc::default());
    let (egress, port) = (egress(&resolver), server.address.port());
    let (first, second) = (mount(&egress, port), mount(&egress, port));
    get(&first, &format!("http://hang-1.example:{port}/")).await.unwrap_err();
    get(&first, &format!("http://good.example:{port}/")).await.unwrap();
    // All look-ups that the mount may have hang now.
    get(&first, &format!("http://hang-2.example:{port}/")).await.unwrap_err();
    let error = get(&first, &format!("http://hang-3.example:{port}/")).await.unwrap_err();
    assert!(matches!(error, Error::DnsTimeout), "{error:?}");
    assert_eq!(resolver.0.asked("hang-3.example"), 0, "the look-ups of a mount are bounded");
    get(&second, &format!("http://good.example:{port}/")).await.unwrap();
}

#[tokio::test]
async fn the_look_ups_of_all_mounts_are_bounded_too() {
    let resolver = Resolver(Arc::default());
    let (shared, limits): (Arc<dyn Resolve>, _) = (Arc::clone(&resolver.0) as _, impatient());
    let of_process = Arc::new(tokio::sync::Semaphore::new(1));
    let (first, second) = (Lookups::new(&shared, &limits, &of_process), Lookups::new(&shared, &limits, &of_process));
    first.addresses("hang-1.example").await.unwrap_err();
    let error = second.addresses("good.example").await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut(Phase::Name)), "{error}");
    resolver.0.end();
    while second.addresses("good.example").await.is_err() {}
}

#[test]
fn a_look_up_that_hangs_holds_no_thread_of_those_that_read_files() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let resolver = Resolver(Arc::default());
        let mount = mount(&egress(&resolver), 1);
        get(&mount, "http://hang-1.example:1/").await.unwrap_err();
        // The pool of blocking threads has one thread, which reads the trust store and modules.
        let read = tokio::time::timeout(Duration::from_secs(30), tokio::task::spawn_blocking(|| 7)).await;
        assert_eq!(read.unwrap().unwrap(), 7);
    });
}
