;; Asking for a credential makes the call effectful: its clock is the machine's.
(func (export "never") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))
;; Polls five hundred timers of which one is always due, for ever.
(func $attack (result i32)
    (local $n i32)
    (loop $make
        (i32.store (i32.add (i32.const 16384) (i32.shl (local.get $n) (i32.const 2)))
            (call $timer (select (i64.const 0) (i64.const 1000000000000) (i32.eqz (local.get $n)))))
        (br_if $make (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 500))))
    (loop $again
        (global.set $heap (i32.const 32768))
        (call $poll (i32.const 16384) (i32.const 500) (i32.const 3072))
        (br $again))
    unreachable)
