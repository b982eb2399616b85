//! The sockets of a call: tokio's, but for what ordinary networks do and webrtc takes for faults.

use std::{
    future::Future,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime,
    Transmit,
};

use super::{Impairment, handshake_filter::HandshakeFilter, netem::ImpairedSocket, stats_interceptor::Counters};

/// Tokio with a call's UDP sockets.
#[derive(Debug)]
pub(super) struct CallRuntime {
    pub(super) impairment: Option<Arc<Impairment>>,
    pub(super) counters: Arc<Counters>,
}

impl Runtime for CallRuntime {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let mut inner = TokioRuntime.wrap_udp_socket(socket)?;
        if let Some(impairment) = &self.impairment {
            inner = Arc::new(ImpairedSocket::new(inner, Arc::clone(impairment)));
        }
        Ok(Arc::new(CallSocket { inner, counters: Arc::clone(&self.counters), handshake: Mutex::default() }))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote_addr: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        Box::pin(async move { TokioRuntime.connect_tcp(remote_addr).await })
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async move { TokioRuntime.resolve_host(host).await })
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }
}

/// A socket for which a network that is away is a network that loses packets.
#[derive(Debug)]
struct CallSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    counters: Arc<Counters>,
    handshake: Mutex<HandshakeFilter>,
}

impl AsyncUdpSocket for CallSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let sent = ready!(self.inner.poll_send(cx, transmit));
        Poll::Ready(Ok(sent.unwrap_or_else(|error| {
            // No way there from this address, or an interface that is down: ICE tries every pair, and goes on without
            // those that do not work. To webrtc an error is a fault, one for each packet.
            if self.counters.unsent.fetch_add(1, Relaxed) == 0 {
                tracing::info!("a packet to {} could not leave: {error}; more are only counted", transmit.destination);
            }
            transmit.contents.len()
        })))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buf), Some(about)) = (bufs.first_mut(), meta.first_mut()) else { return Poll::Ready(Ok(0)) };
        loop {
            let one = (std::slice::from_mut(buf), std::slice::from_mut(about));
            match ready!(self.inner.poll_recv(cx, one.0, one.1)) {
                // A datagram that was sent met a closed port; that is heard here.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => {}
                Ok(1) => {
                    let mut handshake = self.handshake.lock().unwrap_or_else(PoisonError::into_inner);
                    about.len =
                        keep(buf, about.len, about.stride, |datagram| handshake.lets_through(about.addr, datagram));
                    *self.counters.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                    if about.len > 0 {
                        return Poll::Ready(Ok(1));
                    }
                }
                other => return Poll::Ready(other),
            }
        }
    }
}

/// Keeps the datagrams that `wanted` wants of those that lie in `bytes[..len]`, `stride` bytes from one to the next;
/// gives how long they are together.
fn keep(bytes: &mut [u8], len: usize, stride: usize, mut wanted: impl FnMut(&[u8]) -> bool) -> usize {
    let (len, stride) = (len.min(bytes.len()), stride.max(1));
    let (mut from, mut to) = (0, 0);
    while from < len {
        let end = from.saturating_add(stride).min(len);
        if wanted(&bytes[from..end]) {
            bytes.copy_within(from..end, to);
            to += end - from;
        }
        from = end;
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_that_came_together_are_kept_one_by_one() {
        let kept = |unwanted: u8| {
            let mut bytes = *b"aabbccd...";
            let len = keep(&mut bytes, 7, 2, |datagram| datagram[0] != unwanted);
            bytes[..len].to_vec()
        };
        assert_eq!(kept(b'x'), b"aabbccd");
        assert_eq!(kept(b'a'), b"bbccd");
        assert_eq!(kept(b'b'), b"aaccd");
        assert_eq!(kept(b'd'), b"aabbcc");
        assert_eq!(keep(&mut [1, 2], 9, 0, |_| true), 2);
    }

    #[tokio::test]
    async fn a_packet_that_cannot_leave_is_lost_and_counted() {
        let counters = Arc::new(Counters::default());
        let runtime = CallRuntime { impairment: None, counters: Arc::clone(&counters) };
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = runtime.wrap_udp_socket(socket).unwrap();
        // From 127.0.0.1 there is no way to another machine, nor to the other family.
        for to in ["192.0.2.1:9", "[2001:db8::1]:9"] {
            assert_eq!(socket.send_to(b"hello", to.parse().unwrap()).await.unwrap(), 5, "{to}");
        }
        assert_eq!(counters.unsent.load(Relaxed), 2);
        // To a port that nobody listens at: what the system says of it later is no end of the socket.
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        socket.send_to(b"hello", closed).await.unwrap();
        let mut bytes = [0; 10];
        let own = socket.local_addr().unwrap();
        socket.send_to(b"again", own).await.unwrap();
        let (len, from) = socket.recv_from(&mut bytes).await.unwrap();
        assert_eq!((&bytes[..len], from), (&b"again"[..], own));
    }
}
