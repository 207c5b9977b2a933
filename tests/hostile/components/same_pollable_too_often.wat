;; Polls one timer a million times over in one list.
(func $attack (result i32)
    (local $n i32) (local $timer i32)
    (drop (memory.grow (i32.const 70)))
    (local.set $timer (call $timer (i64.const 0)))
    (loop $fill
        (i32.store (i32.add (i32.const 65536) (i32.shl (local.get $n) (i32.const 2))) (local.get $timer))
        (br_if $fill (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000000))))
    (call $poll (i32.const 65536) (i32.const 1000000) (i32.const 3072))
    unreachable)
