;; Writes more to its output than it was permitted to.
(func $attack (result i32)
    (local $out i32)
    (local.set $out (call $stdout))
    (call $check_write (local.get $out) (i32.const 3072))
    (call $write (local.get $out) (i32.const 4096) (i32.const 60000) (i32.const 3072))
    unreachable)
