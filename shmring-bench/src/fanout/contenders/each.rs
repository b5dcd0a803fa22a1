//! An instance for each subscriber, to each of which the producer sends in turn.

use std::marker::PhantomData;

use crate::contender::{BoxError, Contender, Place, Sender, Setting};
use crate::contenders::{ByteRing, kernel, variants};
use crate::fanout::{FanOut, Nature, Shared};

/// See the module.
pub(super) struct Each<C>(PhantomData<C>);

/// What each of these is called.
pub(super) trait Named: Contender {
    const EACH: &'static str;
}

impl Named for ByteRing<variants::Record> {
    const EACH: &'static str = "record ring each";
}

impl Named for kernel::Pipe {
    const EACH: &'static str = "pipe each";
}

impl Named for kernel::Datagram {
    const EACH: &'static str = "unix dgram each";
}

/// Between the addresses of the instances.
const SEPARATOR: char = '\n';

impl<C: Named> FanOut for Each<C> {
    const NAME: &'static str = C::EACH;
    const ABOUT: &'static str = "one for each subscriber, and one send to each";
    const NATURE: Nature = Nature {
        waits: C::NATURE.waits,
        sizes: C::NATURE.sizes,
        ..Nature::lossless(C::NATURE.group)
    };
    type Sender = EachSender<C::Sender>;
    type Subscriber = C::Receiver;

    fn prepare(setting: &Setting) -> Result<Shared, BoxError> {
        let one = Setting { consumers: 1, ..setting.clone() };
        let all = (0..setting.consumers).map(|_| C::prepare(&one));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<&str> = all.iter().map(|one| &*one.address).collect();
        let mut shared = Shared {
            address: addresses.join(&SEPARATOR.to_string()),
            sender_fds: Vec::new(),
            subscriber_fds: Vec::new(),
            names: Box::new(()),
            kept: Box::new(()),
        };
        let [mut names, mut kept] = [Vec::new(), Vec::new()];
        for one in all {
            shared.sender_fds.extend(one.sender_fds);
            shared.subscriber_fds.push(one.receiver_fds);
            names.push(one.names);
            kept.push(one.kept);
        }
        Ok(Shared { names: Box::new(names), kept: Box::new(kept), ..shared })
    }

    fn open_sender(place: Place) -> Result<Self::Sender, BoxError> {
        let fds_each = place.fds.len() / place.setting.consumers.max(1) as usize;
        let mut fds = place.fds.into_iter();
        let setting = Setting { consumers: 1, ..place.setting };
        let open = |address: &str| {
            let fds = fds.by_ref().take(fds_each).collect();
            C::open_sender(Place { address: address.to_owned(), fds, setting: setting.clone() })
        };
        let senders = place.address.split(SEPARATOR).map(open).collect::<Result<_, _>>()?;
        Ok(EachSender { senders })
    }

    fn open_subscriber(place: Place, index: u32) -> Result<C::Receiver, BoxError> {
        let address = place.address.split(SEPARATOR).nth(index as usize);
        let address = address.ok_or("there is no such subscriber")?.to_owned();
        C::open_receiver(Place { address, ..place })
    }
}

/// The sending ends of all instances.
pub(super) struct EachSender<S> {
    senders: Vec<S>,
}

impl<S: Sender> Sender for EachSender<S> {
    /// Leaves out those whose subscriber has gone. One that has not gone would lack messages, which
    /// the harness finds.
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let mut index = 0;
        while let Some(sender) = self.senders.get_mut(index) {
            match sender.send(message) {
                Ok(()) => index += 1,
                Err(error) if self.senders.len() == 1 => return Err(error),
                Err(_) => drop(self.senders.remove(index)),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        self.senders.into_iter().try_for_each(Sender::finish)
    }
}
