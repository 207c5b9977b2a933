;; Writes nothing to its output, for ever.
(func $attack (result i32)
    (local $out i32)
    (local.set $out (call $stdout))
    (loop $again
        (call $print (local.get $out) (i32.const 541) (i32.const 0) (i32.const 3072))
        (br $again))
    unreachable)
