;; Drops a timer twice.
(func $attack (result i32)
    (local $timer i32)
    (local.set $timer (call $timer (i64.const 0)))
    (call $drop_poll (local.get $timer))
    (call $drop_poll (local.get $timer))
    unreachable)
