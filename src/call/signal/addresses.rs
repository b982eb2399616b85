//! The addresses by which others reach this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rtc::shared::ifaces::ifaces;

/// Where a listener at `listen` is reached, the likeliest first: that very address, or every one that this machine
/// has, if it listens at all of them; loopback only where there is nothing else.
pub(super) fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let ip = listen.ip().to_canonical();
    if !ip.is_unspecified() {
        return vec![SocketAddr::new(ip, listen.port())];
    }
    let interfaces = ifaces().unwrap_or_default();
    let own: Vec<IpAddr> = interfaces.iter().filter_map(|i| i.addr).map(|a| a.ip().to_canonical()).collect();
    let outward: Vec<IpAddr> =
        [outward(Ipv4Addr::UNSPECIFIED.into()), outward(Ipv6Addr::UNSPECIFIED.into())].into_iter().flatten().collect();
    let found = reachable_among(ip, &own, &outward);
    found.into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect()
}

/// The same for a machine with the addresses `own`, of which those in `outward` are used for what goes far.
fn reachable_among(listen: IpAddr, own: &[IpAddr], outward: &[IpAddr]) -> Vec<IpAddr> {
    // Whoever listens on every IPv6 address listens on every IPv4 address as well.
    let served = |ip: &IpAddr| listen.is_ipv6() || ip.is_ipv4();
    let useful = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_unspecified(),
        // A link-local address needs the other machine's name of its own interface: no link can say that.
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unspecified() && !ip.is_unicast_link_local(),
    };
    let mut found: Vec<IpAddr> = Vec::new();
    // Addresses that an interface gives itself where nobody hands out any come last.
    let self_given = |ip: &IpAddr| matches!(ip, IpAddr::V4(ip) if ip.is_link_local());
    let mut own: Vec<IpAddr> = own.to_vec();
    own.sort_by_key(|ip| (self_given(ip), ip.is_ipv6()));
    for ip in outward.iter().chain(&own).filter(|ip| served(ip) && useful(ip)) {
        if !found.contains(ip) {
            found.push(*ip);
        }
    }
    if found.is_empty() {
        let only_v6 = listen.is_ipv6() && !own.iter().any(IpAddr::is_ipv4) && !own.is_empty();
        found.push(if only_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() });
    }
    found
}

/// The address that packets to the outside leave from, if there is a way there. Connecting a UDP socket sends nothing.
fn outward(any: IpAddr) -> Option<IpAddr> {
    let far: IpAddr = match any {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((far, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_reaches_this_machine_is_named() {
        let of = |listen: &str, own: &[&str], outward: &[&str]| -> Vec<String> {
            let parse = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
            let found = reachable_among(listen.parse().unwrap(), &parse(own), &parse(outward));
            found.iter().map(ToString::to_string).collect()
        };
        let own = ["127.0.0.1", "::1", "169.254.3.4", "10.0.0.2", "192.168.1.20", "fe80::1", "2001:db8::7"];
        assert_eq!(of("0.0.0.0", &own, &["192.168.1.20"]), ["192.168.1.20", "10.0.0.2", "169.254.3.4"]);
        // No default route: nothing is found by connecting, and the interfaces say it all the same.
        assert_eq!(of("0.0.0.0", &own, &[]), ["10.0.0.2", "192.168.1.20", "169.254.3.4"]);
        assert_eq!(of("::", &own, &[]), ["10.0.0.2", "192.168.1.20", "2001:db8::7", "169.254.3.4"]);
        assert_eq!(of("0.0.0.0", &["127.0.0.1"], &[]), ["127.0.0.1"]);
        assert_eq!(of("::", &["127.0.0.1", "::1"], &[]), ["127.0.0.1"]);
        assert_eq!(of("::", &["::1"], &[]), ["::1"]);
    }

    #[test]
    fn an_address_that_was_chosen_is_the_only_one() {
        let of = |listen: &str| reachable(listen.parse().unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(of("[2001:db8::7]:80"), ["[2001:db8::7]:80"]);
        assert_eq!(of("127.0.0.1:8080"), ["127.0.0.1:8080"]);
        assert!(of("0.0.0.0:8080").iter().all(|a| a.ends_with(":8080") && !a.starts_with("0.0.0.0")));
    }
}
