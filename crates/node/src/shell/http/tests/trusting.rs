//! The client that believes no node, in front of a node that says what it likes.

use api::client::{Start, TrustError, Trusting};
use api::{Certified, ClientSecret, Member, Mistrust, Pin, Pins, SignatureView};

use super::*;

/// What the node shows, and what the judge finds in the certificate that it shows.
struct World {
    view: KeyView,
    certified: Result<Certified, String>,
    /// What a refresh or resharing makes of the key.
    next: Box<dyn Fn(&mut KeyView) + Send>,
    signature: SignatureView,
    /// Whether the certificate is of the request that came.
    honest: bool,
}

type Shared = Arc<Mutex<World>>;

/// A judge that knows the world.
struct Fake(Shared);

impl api::Judge for Fake {
    fn certificate(&self, file: &[u8]) -> Result<Certified, String> {
        assert_eq!(file, b"the certificate");
        self.0.lock().unwrap().certified.clone()
    }

    fn signature(
        &self,
        key: &Pin,
        path: &api::PathText,
        digest: &[u8; 32],
        signature: &SignatureView,
    ) -> Result<(), String> {
        let right = (key.key, path, hex::encode(digest))
            == (signature.key, &signature.path, signature.digest.clone());
        if right { Ok(()) } else { Err("it is another one".to_owned()) }
    }
}

fn secret() -> ClientSecret {
    ClientSecret::from_seed(&[1; 32])
}

fn members(ids: &[u8]) -> Vec<Member> {
    let member = |(id, index): (&u8, u16)| Member { index, validator: NodeId([*id; 32]), name: None };
    ids.iter().zip(1..).map(member).collect()
}

fn view() -> KeyView {
    KeyView { committee: members(&[1, 2]), owner: Some(secret().public()), ..key_view() }
}

/// What an honest certificate of the key shows.
fn of(view: &KeyView, request: Vec<u8>) -> Certified {
    Certified {
        pin: Pin {
            cluster: CLUSTER,
            key: view.id,
            label: view.label.clone(),
            scheme: view.scheme,
            curve: view.curve,
            level: view.level,
            public_key: view.public_key.clone(),
            chain_code: view.chain_code.clone(),
            owner: view.owner,
            imported: None,
            shared_out: None,
            epoch: view.epoch,
            session: "07".repeat(32),
            threshold: view.threshold,
            committee: view.committee.clone(),
        },
        first_threshold: 2,
        first_committee: create_key().committee,
        changes: 0,
        request,
        xpub: view.xpub.clone(),
        ethereum_address: view.ethereum_address.clone(),
        bitcoin_address: view.bitcoin_address.clone(),
    }
}

fn sign() -> api::Sign {
    let target = api::SignTarget::Message { bytes: b"text".to_vec(), hash: api::HashName::Sha256 };
    api::Sign { key: key_id(), path: api::PathText::root(), target }
}

fn signature() -> SignatureView {
    SignatureView {
        key: key_id(),
        path: api::PathText::root(),
        public_key: "02".to_owned(),
        ceremony: ceremony_id(),
        hash: Some(api::HashName::Sha256),
        digest: hex::encode(sign().target.digest()),
        r: String::new(),
        s: String::new(),
        der: String::new(),
        recovery_id: Some(0),
        signers: Vec::new(),
        presigned: false,
    }
}

fn world() -> Shared {
    let certified = Ok(of(&view(), Vec::new()));
    let next = Box::new(|_: &mut KeyView| {});
    Arc::new(Mutex::new(World { view: view(), certified, next, signature: signature(), honest: true }))
}

#[allow(clippy::wildcard_enum_match_arm, reason = "nothing else is asked")]
fn answers(world: &Shared) -> impl FnMut(&Request) -> Reply + Send + use<> {
    let world = Arc::clone(world);
    move |request| {
        let mut world = world.lock().unwrap();
        let done = |outcome| {
            Reply::Started(CeremonyView { outcome: Some(outcome), ..ceremony_in(CeremonyState::Done) })
        };
        match request {
            Request::ShowKey(_) => Reply::Key(world.view.clone()),
            Request::ShowCertificate(_) => Reply::Certificate(b"the certificate".to_vec()),
            Request::Signed(signed) if signed.path().ends_with("/signatures") => {
                done(Outcome::Signature(Box::new(world.signature.clone())))
            }
            Request::Signed(signed) if signed.path() == "/v1/keys" => {
                if world.honest {
                    world.certified = Ok(of(&world.view, signed.encode()));
                }
                done(Outcome::Key(Box::new(world.view.clone())))
            }
            Request::Signed(_) => {
                let mut view = world.view.clone();
                (world.next)(&mut view);
                world.certified = Ok(of(&view, Vec::new()));
                world.view = view.clone();
                done(Outcome::Key(Box::new(view)))
            }
            other => panic!("{other:?}"),
        }
    }
}

fn trusting(site: &Site, world: &Shared, pins: Pins) -> Trusting<Fake> {
    let client = site.client().signed_by(secret(), CLUSTER);
    Trusting::new(client, Fake(Arc::clone(world)), pins).unwrap()
}

fn why<T: std::fmt::Debug>(answer: Result<T, TrustError>) -> Mistrust {
    match answer {
        Err(TrustError::Mistrust(why)) => *why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_checked_before_anybody_sees_them() {
    let world = world();
    let site = Site::start(answers(&world)).await;
    let mut client = trusting(&site, &world, Pins::default());
    let key = client.create_key(&create_key(), &Start::default()).unwrap();
    assert_eq!((key, client.pins().keys().len()), (view(), 1));

    // A key of the node's own making, with a certificate that holds, of another request.
    world.lock().unwrap().honest = false;
    let answer = client.create_key(&create_key(), &Start::default());
    assert!(matches!(why(answer), Mistrust::NotAsked { what: "Idempotency-Key", .. }));
    // What the node says besides, and what it cannot show.
    let certified = of(&view(), Vec::new());
    let with = |view: KeyView, certified: Result<Certified, String>| {
        let mut world = world.lock().unwrap();
        (world.view, world.certified) = (view, certified);
    };
    with(KeyView { public_key: "03".to_owned(), ..view() }, Ok(certified.clone()));
    assert!(matches!(why(client.key(&key_id())), Mistrust::OtherView { what: "public key", .. }));
    with(view(), Err("it is torn".to_owned()));
    assert!(matches!(why(client.key(&key_id())), Mistrust::Worthless { .. }));
    let other = |change: &dyn Fn(&mut Pin)| {
        let mut other = certified.clone();
        change(&mut other.pin);
        Ok(other)
    };
    with(view(), other(&|pin| pin.key = KeyId([5; 32])));
    assert_eq!(why(client.key(&key_id())), Mistrust::Other("key"));
    with(view(), other(&|pin| pin.cluster = ClusterId([5; 32])));
    assert_eq!(why(client.key(&key_id())), Mistrust::Other("cluster"));
    // Another key under the same id, all of it in order: who has seen the first one notices.
    let forged = KeyView { public_key: "03".to_owned(), ..view() };
    with(forged.clone(), Ok(of(&forged, Vec::new())));
    assert!(matches!(why(client.key(&key_id())), Mistrust::Changed { what: "public key", .. }));
    assert_eq!(client.pins().keys()[0].public_key, view().public_key);
    // A key of somebody else is told of, not pinned, until that is wanted.
    let foreign = KeyView { owner: None, ..view() };
    with(foreign.clone(), Ok(of(&foreign, Vec::new())));
    let mut fresh = trusting(&site, &world, Pins::default());
    assert!(matches!(why(fresh.key(&key_id())), Mistrust::Foreign { .. }));
    let shown = fresh.certified(&key_id()).unwrap();
    fresh.trust(&shown).unwrap();
    assert_eq!(fresh.key(&key_id()).unwrap(), foreign);

    let nobody = Trusting::new(site.client(), Fake(Arc::clone(&world)), Pins::default());
    assert!(nobody.is_err(), "a client without a key has nothing to believe by");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_signatures_are_what_was_asked_for() {
    let world = world();
    let site = Site::start(answers(&world)).await;
    let mut client = trusting(&site, &world, Pins::default());
    let next = |change: fn(&mut KeyView)| world.lock().unwrap().next = Box::new(change);
    let reshare = |epoch| {
        let committee = [3, 1].map(|id| NodeId([id; 32])).to_vec();
        api::Reshare { key: key_id(), terms: api::ReshareTerms { epoch, threshold: 2, committee } }
    };
    let refresh =
        |epoch| api::Refresh { key: key_id(), terms: api::RefreshTerms { epoch, moduli: api::Moduli::Keep } };
    next(|view| view.epoch += 1);
    assert_eq!(client.refresh(&refresh(0), &Start::default()).unwrap().epoch, 1);
    next(|view| (view.epoch, view.committee) = (2, members(&[3, 1])));
    assert_eq!(client.reshare(&reshare(1), &Start::default()).unwrap().epoch, 2);
    assert_eq!(client.pins().keys()[0].committee, members(&[3, 1]));
    let not_held = |answer| {
        let why = why(answer);
        let Mistrust::NotHeld { what, .. } = why else { panic!("{why:?}") };
        what
    };
    next(|_| {});
    assert_eq!(not_held(client.refresh(&refresh(2), &Start::default())), "epoch");
    next(|view| (view.epoch, view.committee) = (3, members(&[1, 3])));
    assert_eq!(not_held(client.refresh(&refresh(2), &Start::default())), "committee");
    next(|view| (view.epoch, view.committee, view.threshold) = (4, members(&[3, 1]), 3));
    assert_eq!(not_held(client.reshare(&reshare(3), &Start::default())), "threshold");
    next(|view| view.epoch = 0);
    assert!(matches!(why(client.refresh(&refresh(4), &Start::default())), Mistrust::Older { .. }));

    assert_eq!(client.sign(&sign(), &Start::default()).unwrap(), signature());
    for lie in [
        SignatureView { digest: "00".repeat(32), ..signature() },
        SignatureView { key: KeyId([5; 32]), ..signature() },
        SignatureView { hash: None, ..signature() },
    ] {
        world.lock().unwrap().signature = lie;
        assert!(matches!(why(client.sign(&sign(), &Start::default())), Mistrust::Signature(_)));
    }
    // A key that cannot be believed signs nothing.
    let mut fresh = trusting(&site, &world, Pins::default());
    world.lock().unwrap().certified = Err("it is torn".to_owned());
    let asked = site.asked().len();
    assert!(matches!(why(fresh.sign(&sign(), &Start::default())), Mistrust::Worthless { .. }));
    assert_eq!(site.asked().len(), asked + 2, "nothing was signed for it");
    assert!(matches!(fresh.check(&sign(), &signature()), Err(Mistrust::Signature(_))));
}
