#[derive(Clone, Copy, shmring::Element)]
#[repr(u8)]
enum Side {
    Buy,
    Sell(u32), //~ variant `Sell` of `Side` has fields
}

fn main() {}
