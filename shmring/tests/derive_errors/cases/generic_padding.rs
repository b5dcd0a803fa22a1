#[derive(Clone, Copy, shmring::Element)]
#[repr(C)]
struct Pair<A: Copy, B: Copy> {
    first: A,
    second: B, //~ `Pair` has padding before its field `second`
}

// Checked where it is used: the declaration fits most arguments.
const SOUND: u64 = <Pair<u32, f32> as shmring::Element>::TYPE_ID;
const PADDED: u64 = <Pair<u8, u16> as shmring::Element>::TYPE_ID;

fn main() {
    let _ = (SOUND, PADDED);
}
