//! The one loop that owns the swarm. It takes commands, events of the swarm and of the links, and
//! time; feeds the query manager; and does what the manager asks for.

mod actions;
mod early;
mod events;
mod health;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{Multiaddr, PeerId, Swarm, kad, swarm::SwarmEvent};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    Command, PROVIDERS, Status, SwarmConfig, SwarmError,
    behaviour::{self, Behaviour},
    link::{Link, LinkEvent},
    pool::Pool,
    proof, serve,
    streams::Control,
};
use crate::{
    ContentId, FindOptions, NodeInfo, Provider, Reporter,
    query::manager::{Config, Manager},
    records::{KadRecords, Records},
};

/// Events of links that wait for the loop; the links wait when it is full.
const LINK_EVENTS_MAX: usize = 1_024;
/// How long the listeners may take to come up.
const LISTEN_MAX: Duration = Duration::from_secs(5);
/// Askers that wait for a connection, over all peers.
const CONNECTS_MAX: usize = 1_024;
/// How often the loop looks at what time brings, at the latest.
const TICK: Duration = Duration::from_millis(100);
/// Events handled before the manager's actions are done: what comes together goes out together.
const EVENTS_PER_TURN: usize = 64;

/// A connected peer.
#[derive(Debug, Default)]
struct Met {
    addresses: Vec<Multiaddr>,
    speaks_batch: bool,
    is_server: bool,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    peer: PeerId,
    /// The link's number.
    link: u64,
    /// Of a `Find`; `None` for a `Provide`.
    providers_max: Option<u8>,
    /// When nobody waits for the reply any more.
    late_at: Instant,
}

/// A look-up of plain Kademlia.
#[derive(Debug)]
struct Lookup {
    key: ContentId,
    is_ended: bool,
}

/// The loop and all that it owns.
pub struct EventLoop {
    swarm: Swarm<Behaviour>,
    settings: behaviour::Settings,
    manager: Manager,
    control: Control,
    commands: mpsc::Receiver<Command>,
    links: HashMap<PeerId, Link>,
    link_number: u64,
    link_events: (mpsc::Sender<LinkEvent>, mpsc::Receiver<LinkEvent>),
    /// Keys that got a new provider here.
    news: mpsc::Receiver<Vec<ContentId>>,
    /// Requests without a reply so far. Written by `actions`.
    requests: HashMap<u32, Sent>,
    /// Connected peers. Written by `events`.
    peers: BTreeMap<PeerId, Met>,
    lookups: HashMap<kad::QueryId, Lookup>,
    providings: HashMap<kad::QueryId, ContentId>,
    /// Askers that wait for a connection to a peer; at most [`CONNECTS_MAX`].
    connects: HashMap<PeerId, Vec<oneshot::Sender<bool>>>,
    /// Came before there was anybody to ask.
    early: early::Early,
    pool: Pool,
    records: Arc<Records>,
    health: health::Health,
    tasks: JoinSet<()>,
}

impl EventLoop {
    /// Builds the swarm and waits until it listens.
    ///
    /// # Errors
    /// Every [`SwarmError`].
    pub async fn new(
        config: SwarmConfig,
        commands: mpsc::Receiver<Command>,
    ) -> Result<Self, SwarmError> {
        let records = config.records;
        let kad_records = KadRecords::new(records.clone());
        let mut swarm = behaviour::build(&config.keypair, &config.settings, kad_records)?;
        let control = swarm.behaviour().streams.new_control();
        let mut tasks = JoinSet::new();
        let (news_in, news) = mpsc::channel(serve::NEWS_MAX);
        if config.settings.is_server {
            let incoming = control.accept(PROVIDERS);
            let incoming = incoming.expect("each protocol is accepted once");
            tasks.spawn(serve::serve(incoming, records.clone(), news_in));
        }
        let incoming = control.accept(proof::PROTOCOL).expect("each protocol is accepted once");
        tasks.spawn(proof::serve(incoming, config.proofs));
        listen(&mut swarm, &config.listen).await?;
        let queries = Config { preset: config.preset, ..Config::default() };
        let manager = Manager::new(queries, StdRng::from_rng(&mut rand::rng()));
        let now = Instant::now();
        Ok(Self {
            swarm,
            settings: config.settings,
            manager,
            control,
            commands,
            links: HashMap::new(),
            link_number: 0,
            link_events: mpsc::channel(LINK_EVENTS_MAX),
            news,
            requests: HashMap::new(),
            peers: BTreeMap::new(),
            lookups: HashMap::new(),
            providings: HashMap::new(),
            connects: HashMap::new(),
            early: early::Early::default(),
            pool: Pool::open(&config.bootstrap, config.pool_file),
            records,
            health: health::Health::new(now),
            tasks,
        })
    }

    /// For tasks that open streams of their own.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Runs until it is told to stop.
    pub async fn run(mut self) {
        self.set_own_addresses();
        self.tick(Instant::now());
        loop {
            let now = Instant::now();
            let wake = self.manager.next_deadline().map_or(now + TICK, |at| at.min(now + TICK));
            tokio::select! {
                command = self.commands.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.command(command),
                },
                event = self.swarm.select_next_some() => self.event(event),
                Some(event) = self.link_events.1.recv() => self.link_event(event),
                Some(keys) = self.news.recv() => self.invalidate(&keys),
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            if !self.take_waiting() {
                break;
            }
            let now = Instant::now();
            self.manager.tick(now);
            self.tick(now);
            self.act();
            self.forget_late();
        }
        self.stop().await;
    }

    /// Takes what else has come already; `false` when the loop is to end.
    fn take_waiting(&mut self) -> bool {
        for _ in 0..EVENTS_PER_TURN {
            let mut is_idle = true;
            match self.commands.try_recv() {
                Ok(Command::Stop) | Err(mpsc::error::TryRecvError::Disconnected) => return false,
                Ok(command) => {
                    self.command(command);
                    is_idle = false;
                }
                Err(mpsc::error::TryRecvError::Empty) => {}
            }
            if let Ok(event) = self.link_events.1.try_recv() {
                self.link_event(event);
                is_idle = false;
            }
            if is_idle {
                break;
            }
        }
        true
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Find { .. } | Command::Announce { .. } => self.take_early(command),
            Command::Connect { provider, reply } => self.connect(provider, reply),
            Command::Bootstrap(addresses) => {
                addresses.into_iter().for_each(|address| self.pool.configure(address));
                self.health.hurry(Instant::now());
            }
            Command::Judge { peer, is_good: true } => self.manager.reward(&peer),
            Command::Judge { peer, is_good: false } => {
                self.manager.penalize(Instant::now(), &peer);
            }
            // Nobody waits any more when the send fails.
            Command::Status(reply) => drop(reply.send(self.status())),
            Command::Stop => {}
        }
    }

    fn find(&mut self, keys: Vec<ContentId>, mut options: FindOptions, reporter: Reporter) {
        let now = Instant::now();
        if self.is_lonely(now) {
            // Nobody can be asked, and that has been so for a while: the asker need not wait for
            // its deadline to learn it.
            options.deadline = Duration::ZERO;
        }
        let local = self.records.find(serve::unix_seconds(), &keys, options.providers_max);
        if let Err(error) = self.manager.find(now, &keys, options, reporter) {
            tracing::debug!(%error, "a query was refused");
            return;
        }
        for hit in &local.hits {
            let providers = hit.providers.iter().map(|index| local.providers[*index].clone());
            let providers: Vec<Provider> = providers.collect();
            self.manager.lookup_progress(now, &keys[hit.key], &providers);
        }
    }

    fn invalidate(&mut self, keys: &[ContentId]) {
        keys.iter().for_each(|key| self.manager.invalidate(key));
    }

    fn status(&mut self) -> Status {
        let swarm = &mut self.swarm;
        let info = NodeInfo {
            peer: *swarm.local_peer_id(),
            addresses: swarm.listeners().cloned().collect(),
            agent: concat!("quorate/", env!("CARGO_PKG_VERSION")).into(),
        };
        let table = swarm.behaviour_mut().kad.kbuckets().map(|bucket| bucket.num_entries()).sum();
        Status {
            info,
            connected: self.peers.keys().copied().collect(),
            batch_peers: self.peers.values().filter(|met| met.speaks_batch).count(),
            table,
            queries: self.manager.metrics(),
            scores: self.manager.peers(),
        }
    }

    async fn stop(mut self) {
        self.links.clear();
        self.tasks.shutdown().await;
        self.write_behind().await;
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            if self.swarm.disconnect_peer_id(peer).is_err() {
                tracing::debug!(%peer, "it was gone already");
            }
        }
        // Lets the peers know: a close that is not polled is not sent.
        let closing = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        if tokio::time::timeout(Duration::from_millis(200), closing).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }
}

/// Listens on all addresses and waits until the first port of each is known.
async fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[Multiaddr]) -> Result<(), SwarmError> {
    let mut open = Vec::new();
    for address in addresses {
        let failed = |why: String| SwarmError::Listen { address: address.clone(), why };
        let id = swarm.listen_on(address.clone()).map_err(|error| failed(format!("{error:?}")))?;
        open.push((id, address.clone()));
    }
    let deadline = tokio::time::Instant::now() + LISTEN_MAX;
    while let Some((_, address)) = open.first().cloned() {
        let event = tokio::time::timeout_at(deadline, swarm.select_next_some()).await;
        let failed = |why: String| SwarmError::Listen { address: address.clone(), why };
        match event.map_err(|_| failed("it took too long".into()))? {
            SwarmEvent::NewListenAddr { listener_id, .. } => {
                open.retain(|(id, _)| *id != listener_id);
            }
            SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. }
                if open.iter().any(|(id, _)| *id == listener_id) =>
            {
                return Err(failed(format!("{error:?}")));
            }
            _ => {}
        }
    }
    Ok(())
}
