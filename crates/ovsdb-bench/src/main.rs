//! `ovsdb-bench`, the program. What it does is in the library of this crate.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ovsdb_bench::main()
}
