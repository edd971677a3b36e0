//! Tells a service manager how the node stands: the datagrams of sd_notify(3), which systemd wants
//! of a service with `Type=notify`. It goes to the socket that `NOTIFY_SOCKET` names, a path or an
//! abstract name (`@…`); without that variable nothing is sent. Nothing rests on it: an error is
//! logged, and the node goes on.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What a service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The node listens.
    Ready,
    /// The node is on its way out.
    Stopping,
}

impl News {
    /// The assignment that sd_notify(3) names.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ready => "READY=1\n",
            Self::Stopping => "STOPPING=1\n",
        }
    }
}

/// Tells the service manager, if there is one. Never waits: a socket that takes nothing now is an
/// error like any other.
pub fn tell(news: News) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, news.text()) {
        tracing::warn!(%error, ?socket, ?news, "the service manager was not told");
    }
}

fn send(socket: &OsStr, text: &str) -> io::Result<()> {
    let address = address(socket)?;
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    datagram.send_to_addr(text.as_bytes(), &address).map(|_bytes| ())
}

fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(socket),
        // vsock, for machines in machines, is not spoken here.
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::time::Duration;

    /// What arrives at a socket when its name is told these news.
    fn heard(receiver: &UnixDatagram, socket: &OsStr, news: News) -> String {
        receiver.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        send(socket, news.text()).expect("somebody listens");
        let mut bytes = [0; 64];
        let count = receiver.recv(&mut bytes).expect("a datagram");
        String::from_utf8_lossy(&bytes[..count]).into()
    }

    #[test]
    fn news_go_to_a_path_and_to_an_abstract_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let receiver = UnixDatagram::bind(&path).expect("bound");
        assert_eq!(heard(&receiver, path.as_os_str(), News::Ready), "READY=1\n");
        assert_eq!(heard(&receiver, path.as_os_str(), News::Stopping), "STOPPING=1\n");
        let name = format!("quorate-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let receiver = UnixDatagram::bind_addr(&address).expect("bound");
        assert_eq!(heard(&receiver, &OsString::from(format!("@{name}")), News::Ready), "READY=1\n");
    }

    #[test]
    fn a_socket_that_nobody_has_is_an_error_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nobody");
        for socket in [path.as_os_str(), OsStr::new("@quorate-nobody"), OsStr::new("vsock:2:1")] {
            send(socket, News::Ready.text()).expect_err("nobody listens");
        }
        send(OsStr::new(""), News::Ready.text()).expect_err("no name");
    }
}
