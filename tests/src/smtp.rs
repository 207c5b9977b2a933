//! A mail server of a test's own (RFC 5321, 3207, 4954): on a free port of loopback, with
//! TLS, a user and faults as the test wants them. What it takes is kept for the test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use data_encoding::BASE64;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

const CA: &[u8] = include_bytes!("smtp/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("smtp/leaf.der");
const KEY: &[u8] = include_bytes!("smtp/leaf.key.der");

/// How often the door is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// A client that says nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// When a server speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    None,
    /// When the client asks for it.
    Start,
    /// From the first byte on.
    Implicit,
}

/// What goes wrong at a command.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is answered so.
    Says(&'static str),
    /// It is never answered.
    Silent,
    /// The connection is closed in place of an answer.
    Gone,
    /// It is done, and the connection is closed in place of an answer.
    DoneAndGone,
    /// It is answered without an end.
    Endless,
    /// The answer has this behind it, in the same packet.
    Followed(&'static str),
}

/// What a server was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// The message as it was written.
    pub data: String,
    /// Whether it came over TLS.
    pub is_encrypted: bool,
    /// Who logged in, and by which mechanism.
    pub user: Option<(String, String)>,
}

/// A running server; it ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    folder: TempDir,
}

struct State {
    tls: Tls,
    /// Who may send, with the password; anybody if absent.
    user: Option<(String, String)>,
    /// What `EHLO` offers besides.
    offers: &'static [&'static str],
    faults: Mutex<Vec<(&'static str, Fault)>>,
    taken: Mutex<Vec<Taken>>,
    /// Everything that clients said before TLS and after it, but for messages.
    heard: Mutex<Vec<String>>,
    sessions: AtomicUsize,
    most_sessions: AtomicUsize,
    is_over: AtomicBool,
    secrets: Arc<ServerConfig>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Starts one without users.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start(tls: Tls) -> Self {
        Self::with(tls, None, &[])
    }

    /// Starts one with a user and a password, who may log in by these mechanisms
    /// (`AUTH PLAIN LOGIN`), and what else it offers.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn with(tls: Tls, user: Option<(&str, &str)>, offers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a port that waits not");
        let address = listener.local_addr().expect("bound");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), CA).expect("writable");
        let state = Arc::new(State {
            tls,
            user: user.map(|(user, password)| (user.to_owned(), password.to_owned())),
            offers,
            faults: Mutex::default(),
            taken: Mutex::default(),
            heard: Mutex::default(),
            sessions: AtomicUsize::new(0),
            most_sessions: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            secrets: Arc::new(secrets()),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &shared));
        Self {
            address,
            state,
            folder,
        }
    }

    /// From now on this goes wrong at each such command: `CONNECT`, `EHLO`, `STARTTLS`,
    /// `AUTH`, `MAIL`, `RCPT`, `DATA`, `END` (of a message).
    pub fn fail(&self, at: &'static str, fault: Fault) {
        held(&self.state.faults).push((at, fault));
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        held(&self.state.faults).clear();
    }

    /// What it has taken, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        held(&self.state.taken).clone()
    }

    /// The commands that it has heard.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        held(&self.state.heard).clone()
    }

    /// How many connections there were at once, at the most.
    #[must_use]
    pub fn most_sessions(&self) -> usize {
        self.state.most_sessions.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.state.sessions.load(Ordering::SeqCst)
    }

    /// Where it is: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that vouches for it.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// How an operator names it, with this before the `@`; with its authority's
    /// certificate where it speaks TLS.
    #[must_use]
    pub fn url(&self, user: &str) -> String {
        let (port, file) = (self.address.port(), self.ca_file());
        let at = if user.is_empty() { "" } else { "@" };
        match self.state.tls {
            Tls::None => format!("smtp://{user}{at}127.0.0.1:{port}?tls=none"),
            Tls::Start => format!(
                "smtp://{user}{at}localhost:{port}?ca_file={}",
                file.display()
            ),
            Tls::Implicit => format!(
                "smtps://{user}{at}127.0.0.1:{port}?ca_file={}",
                file.display()
            ),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
    }
}

fn secrets() -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let certificate = CertificateDer::from_slice(CERTIFICATE);
    let key = PrivateKeyDer::try_from(KEY).expect("a key");
    let config = config.expect("protocols").with_no_client_auth();
    config
        .with_single_cert(vec![certificate], key)
        .expect("a certificate")
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    while !state.is_over.load(Ordering::SeqCst) {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(LOOK);
            continue;
        };
        let state = Arc::clone(state);
        thread::spawn(move || {
            // A client that is gone needs no answer.
            let _ = Session::serve(stream, &state);
        });
    }
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

/// Counts a connection, from its beginning to its end.
struct Counted<'a>(&'a State);

impl<'a> Counted<'a> {
    fn new(state: &'a State) -> Self {
        let now = state.sessions.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_sessions.fetch_max(now, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One connection.
struct Session<'a> {
    state: &'a State,
    counted: Option<Counted<'a>>,
    wire: Option<Wire>,
    /// Read, and not a line yet.
    pending: Vec<u8>,
    user: Option<(String, String)>,
    from: Option<String>,
    to: Vec<String>,
}

/// The connection is to be closed.
const OVER: io::ErrorKind = io::ErrorKind::ConnectionAborted;

impl<'a> Session<'a> {
    fn serve(stream: TcpStream, state: &'a State) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut session = Self {
            state,
            counted: Some(Counted::new(state)),
            wire: Some(Wire::Plain(stream)),
            pending: Vec::new(),
            user: None,
            from: None,
            to: Vec::new(),
        };
        if state.tls == Tls::Implicit {
            session.encrypt()?;
        }
        session.answer("CONNECT", "220 mail.test ESMTP")?;
        while let Some(line) = session.line()? {
            held(&state.heard).push(line.clone());
            session.command(&line)?;
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> io::Result<()> {
        let verb = line
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => self.hello(),
            "STARTTLS" => self.start_tls(),
            "AUTH" => self.log_in(line),
            "MAIL" => {
                if self.state.user.is_some() && self.user.is_none() {
                    return self.say("530 5.7.0 Authentication required");
                }
                let answer = self.answer("MAIL", "250 2.1.0 OK")?;
                self.from = answer.then(|| path(line));
                self.to.clear();
                Ok(())
            }
            "RCPT" if self.from.is_some() => {
                if self.answer("RCPT", "250 2.1.5 OK")? {
                    self.to.push(path(line));
                }
                Ok(())
            }
            "DATA" if !self.to.is_empty() => self.data(),
            "NOOP" => self.say("250 OK"),
            "RSET" => {
                (self.from, self.to) = (None, Vec::new());
                self.say("250 OK")
            }
            "QUIT" => {
                // Who hears the answer may begin another one.
                self.counted = None;
                self.say("221 Bye")?;
                Err(OVER.into())
            }
            "RCPT" | "DATA" => self.say("503 5.5.1 Bad sequence of commands"),
            _ => self.say("500 5.5.2 Unknown command"),
        }
    }

    fn hello(&mut self) -> io::Result<()> {
        let mut lines = vec!["mail.test"];
        lines.extend(self.state.offers);
        let may_start = self.state.tls == Tls::Start && !self.is_encrypted();
        if may_start {
            lines.push("STARTTLS");
        }
        let last = lines.len() - 1;
        let line = |(at, line): (usize, &&str)| {
            let between = if at == last { ' ' } else { '-' };
            format!("250{between}{line}")
        };
        let text: Vec<String> = lines.iter().enumerate().map(line).collect();
        self.answer("EHLO", &text.join("\r\n")).map(drop)
    }

    fn start_tls(&mut self) -> io::Result<()> {
        if self.answer("STARTTLS", "220 2.0.0 Ready")? {
            self.pending.clear();
            self.encrypt()?;
        }
        Ok(())
    }

    fn encrypt(&mut self) -> io::Result<()> {
        let Some(Wire::Plain(stream)) = self.wire.take() else {
            return Err(OVER.into());
        };
        let connection = ServerConnection::new(Arc::clone(&self.state.secrets));
        let connection = connection.map_err(io::Error::other)?;
        self.wire = Some(Wire::Tls(Box::new(StreamOwned::new(connection, stream))));
        Ok(())
    }

    const fn is_encrypted(&self) -> bool {
        matches!(self.wire, Some(Wire::Tls(_)))
    }

    fn log_in(&mut self, line: &str) -> io::Result<()> {
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let decoded = |text: &str| {
            let bytes = BASE64.decode(text.trim().as_bytes()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (user, password) = if mechanism == "PLAIN" {
            let said = decoded(words.next().unwrap_or_default());
            let mut parts = said.split('\0').skip(1).map(str::to_owned);
            (parts.next(), parts.next())
        } else {
            let mut ask = |prompt: &str| -> io::Result<Option<String>> {
                self.say(&format!("334 {}", BASE64.encode(prompt.as_bytes())))?;
                Ok(self.line()?.map(|line| decoded(&line)))
            };
            (ask("Username:")?, ask("Password:")?)
        };
        let is_known = self.state.user == user.clone().zip(password);
        if is_known && self.answer("AUTH", "235 2.7.0 OK")? {
            self.user = user.map(|user| (user, mechanism));
            return Ok(());
        }
        if is_known {
            return Ok(());
        }
        // As some servers do: it repeats what it was told.
        self.say(&format!("535 5.7.8 Not {}", line.replace("AUTH ", "")))
    }

    fn data(&mut self) -> io::Result<()> {
        if !self.answer("DATA", "354 Go on")? {
            return Ok(());
        }
        let mut data = String::new();
        loop {
            let Some(line) = self.line()? else {
                return Ok(());
            };
            if line == "." {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push_str("\r\n");
        }
        let taken = Taken {
            from: self.from.take().unwrap_or_default(),
            to: std::mem::take(&mut self.to),
            data,
            is_encrypted: self.is_encrypted(),
            user: self.user.clone(),
        };
        if matches!(self.fault("END"), Some(Fault::DoneAndGone)) {
            held(&self.state.taken).push(taken);
            return Err(OVER.into());
        }
        // Whoever hears that it was taken finds it there.
        let state = self.state;
        let mut all = held(&state.taken);
        if self.answer("END", "250 2.0.0 Taken")? {
            all.push(taken);
        }
        Ok(())
    }

    fn fault(&self, at: &str) -> Option<Fault> {
        let faults = held(&self.state.faults);
        let fault = faults.iter().rev().find(|(place, _)| *place == at);
        fault.map(|(_, fault)| fault.clone())
    }

    /// Answers a command as the test wants it, or else so; whether it was done.
    fn answer(&mut self, at: &str, text: &str) -> io::Result<bool> {
        match self.fault(at) {
            None => self.say(text).map(|()| true),
            Some(Fault::Says(text)) => self.say(text).map(|()| false),
            Some(Fault::Followed(more)) => self.say(&format!("{text}\r\n{more}")).map(|()| true),
            Some(Fault::Silent) => {
                // Until the client is gone.
                while self.line()?.is_some() {}
                Err(OVER.into())
            }
            Some(Fault::Gone | Fault::DoneAndGone) => Err(OVER.into()),
            Some(Fault::Endless) => loop {
                self.write(&[b'x'; 4_096])?;
            },
        }
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.write(format!("{text}\r\n").as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.wire.as_mut() {
            Some(Wire::Plain(stream)) => stream.write_all(bytes),
            Some(Wire::Tls(stream)) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
            None => Err(OVER.into()),
        }
    }

    /// The next line, without its end; none when the client has closed.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.pending[looked..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let line: Vec<u8> = self.pending.drain(..=looked + end).collect();
                let line = String::from_utf8_lossy(&line);
                return Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()));
            }
            looked = self.pending.len();
            let mut part = [0; 8_192];
            let read = match self.wire.as_mut() {
                Some(Wire::Plain(stream)) => stream.read(&mut part)?,
                Some(Wire::Tls(stream)) => stream.read(&mut part)?,
                None => 0,
            };
            if read == 0 {
                return Ok(None);
            }
            self.pending.extend_from_slice(&part[..read]);
        }
    }
}

/// What stands between `<` and `>`.
fn path(line: &str) -> String {
    let path = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    path.map_or_else(String::new, |(path, _)| path.to_owned())
}
