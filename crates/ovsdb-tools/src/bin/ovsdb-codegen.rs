//! The program `ovsdb-codegen`: all of it is in the library.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ovsdb_tools::codegen::main()
}
