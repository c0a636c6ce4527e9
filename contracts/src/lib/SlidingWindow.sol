// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Sums over a sliding window, in two buckets
/// @notice Each bucket is one window long. What is spent goes into the current bucket, and both buckets count. Any
/// stretch of time as long as the window touches at most two buckets in a row, so whoever keeps the sum of both within
/// a budget keeps every such stretch within it. The price: an amount counts for at least one window and for less than
/// two. A fixed window would let twice the budget through around its edge; a log of payments would have no bound.
library SlidingWindow {
    /// @notice The buckets as of `time`.
    /// @param start When the current bucket began; 0 if nothing was ever spent.
    /// @param previous What was spent in the bucket before it.
    /// @param current What was spent in the current bucket.
    function roll(uint256 start, uint256 previous, uint256 current, uint256 window, uint256 time)
        internal
        pure
        returns (uint256, uint256, uint256)
    {
        if (time < start + window) return (start, previous, current);
        if (time < start + 2 * window) return (start + window, current, 0);
        return (time, 0, 0);
    }

    /// @notice The buckets as of `time`, under a window that may have been changed since they were written. What still
    /// counts under a longer one is not forgotten by a shorter: it goes into a current bucket that begins now. Under a
    /// longer one what the shorter has forgotten does not come back.
    /// @param written The window under which the buckets were written.
    function carry(uint256 start, uint256 previous, uint256 current, uint256 written, uint256 window, uint256 time)
        internal
        pure
        returns (uint256, uint256, uint256)
    {
        if (written <= window) return roll(start, previous, current, window, time);
        (, previous, current) = roll(start, previous, current, written, time);
        return (time, 0, previous + current);
    }
}
