// The whole exact time-cost frontier of a network, by the parametric network simplex method.
//
// Theory of operation. Let F be the flow from source to sink and T the makespan. Linear programming duality makes F the
// price of time: F = -dE/dT on the frontier. The sweep starts at F = 0, T = T_max (every operation at its cheapest) and
// keeps a spanning tree whose arcs fix all event times, so that both sides of the duality hold at every moment:
// flow is conserved and within its bounds, and every nonbasic arc keeps its two events within its window. One step:
//
//   1. Push flow along the tree path from source to sink until an arc of the path reaches a bound: F rises by the
//      residual, T stays. If no arc limits the path, nothing can make the iteration shorter: T = T_min.
//   2. That arc leaves the tree, which falls into the source's part and the sink's part. Move all events of the sink's
//      part earlier (equivalently, those of the source's part later) until an arc between the parts reaches the end of
//      its window: T falls by that amount at price F. That arc enters the tree.
//
// Each step costs the length of the path plus the arcs around the smaller part, which is what makes dense hulls cheap.
// Steps that change neither F nor T are possible where many operations share a slope. If they go on for long, ties are
// broken by a fixed pseudo-random sequence, which ends any cycle.
#pragma once

#include "network.hpp"

namespace joulewise {

class Sweep {
public:
    struct Step {
        Int price;    // F while the makespan falls
        Int shorten;  // by how much it falls
        bool sink_part;                   // which part `moved` is
        const std::vector<Index>* moved;  // events of the smaller part, already moved
        Index entered, entered_level;     // the arc that entered the tree and its level before
    };

    explicit Sweep(Network& network) : net_(network) {}

    Int price() const { return price_; }

    // False at T_min, where nothing was changed.
    bool step(Step& out) {
        Int residual = kInfinite;
        Index leaving = -1;
        for (Index v = net_.sink; v != net_.source; v = net_.parent[v]) {
            const Int room = net_.room(v, true);
            if (room < residual || (room == residual && stalled() && coin())) residual = room, leaving = v;
        }
        if (residual >= kInfinite) return false;
        if (residual > 0) {
            for (Index v = net_.sink; v != net_.source; v = net_.parent[v]) {
                const Index a = net_.above[v];
                net_.flow[a] += net_.head[a] == v ? residual : -residual;
            }
            price_ += residual;
        }
        const Index out_arc = net_.above[leaving];
        net_.make_nonbasic(out_arc, net_.level[out_arc] + (net_.head[out_arc] == leaving ? 0 : 1));
        const bool sink_part = 2 * net_.cut(leaving) <= net_.nodes;
        net_.mark(sink_part ? leaving : net_.source, moved_);

        Int slack = kInfinite;
        Index entering = -1;
        bool forward = false;  // from the source's part to the sink's
        for (const Index v : moved_) {
            for (Index k = net_.incidence_first[v]; k < net_.incidence_first[v + 1]; ++k) {
                if (net_.marked[net_.neighbour[k]]) continue;
                const Index a = net_.through[k] / 2;
                const bool shrinks = (net_.through[k] % 2 == 1) != sink_part;
                const Int apart = net_.apart(a);
                const Int room = shrinks ? apart - net_.window[a].low : net_.window[a].high - apart;
                if (room < slack || (room == slack && stalled() && coin())) slack = room, entering = a, forward = shrinks;
            }
        }
        const Int shift = sink_part ? -slack : slack;
        for (const Index v : moved_) {
            net_.marked[v] = 0;
            net_.time[v] += shift;
        }
        const Index entered_level = net_.level[entering];
        net_.make_basic(entering, net_.level[entering] - (forward ? 1 : 0));
        const Index inner = forward ? net_.head[entering] : net_.tail[entering];
        net_.hang(inner, forward ? net_.tail[entering] : net_.head[entering], entering);
        idle_ = residual == 0 && slack == 0 ? idle_ + 1 : 0;
        out = {price_, slack, sink_part, &moved_, entering, entered_level};
        return true;
    }

private:
    Network& net_;
    Int price_ = 0, idle_ = 0;
    std::uint64_t random_ = 0x9E3779B97F4A7C15u;
    std::vector<Index> moved_;

    bool stalled() const { return idle_ > 4 * static_cast<Int>(net_.nodes) + 1000; }
    bool coin() {
        random_ ^= random_ << 13, random_ ^= random_ >> 7, random_ ^= random_ << 17;
        return random_ & 1;
    }
};

}  // namespace joulewise
