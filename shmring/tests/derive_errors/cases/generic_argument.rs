#[derive(Clone, Copy, shmring::Element)]
#[repr(C)]
struct Pair<A: Copy, B: Copy>(A, B);

const _: u64 = <Pair<u32, u32> as shmring::Element>::TYPE_ID;
const _: u64 = <Pair<u64, usize> as shmring::Element>::TYPE_ID; //~ `usize` is not an element

fn main() {}
