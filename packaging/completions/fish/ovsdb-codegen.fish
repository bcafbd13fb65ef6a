# Completes ovsdb-codegen; written by `cargo run -p xtask -- completions`.
complete -c ovsdb-codegen -l table -r -f -d 'only this table, with all columns or these; may be specified any number of times'
complete -c ovsdb-codegen -l out -r -d 'write to FILE, not to standard output'
complete -c ovsdb-codegen -l help -s h -d 'display this help message'
complete -c ovsdb-codegen -l option -s o -d 'print the list of options'
complete -c ovsdb-codegen -l version -s V -d 'display version information'
