// Activity-on-arc network of a schedule, with a spanning tree kept for the network simplex method.
//
// Every operation is an arc from its start event to its end event; a dependency is an arc of length zero.
// An arc carries a convex piecewise linear cost over its duration: hull durations d[0] < ... < d[K] and slopes
// s[1] > ... > s[K] > 0 between them (s[0] is infinite, s[K+1] is zero). Its dual is an arc whose length falls from d[K]
// to d[0] as its flow x passes s[K], ..., s[1]. An arc is in one of two states:
//
//   basic at level j     (a tree arc):  head - tail = d[j],             s[j+1] <= x <= s[j]
//   nonbasic at level j:                d[j-1] <= head - tail <= d[j],  x = s[j]        (d[K+1] is infinite)
//
// All numbers are integers on grids that the caller chooses; nothing is compared with a tolerance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

namespace joulewise {

using Int = std::int64_t;
using Index = std::int32_t;
constexpr Int kInfinite = std::numeric_limits<Int>::max() / 4;

// Hulls of all kinds of operation: kind c owns points first[c] .. first[c+1]-1 of duration and slope;
// slope[p] lies left of point p, and that of a kind's first point is ignored.
struct Hulls {
    std::vector<Index> first;
    std::vector<Int> duration, slope;
};

struct Network {
    struct Window {  // what a nonbasic arc allows its two events to be apart
        Int low, high;
    };

    Index operations = 0, nodes = 0, arcs = 0, source = 0, sink = 0;
    Index back = 0;  // arc from sink to source that holds the makespan at a deadline; the sweep leaves it free
    std::vector<Index> tail, head;
    std::vector<Index> points_at;  // arc -> its first entry in durations; slopes are at points_at + arc (one more each)
    std::vector<Index> last;       // arc -> K
    std::vector<Int> durations, slopes;
    std::vector<Index> incidence_first;
    std::vector<Index> neighbour, through;  // of every event: the events beside it, and 2 * arc + (1 if it leads away)

    std::vector<Index> level;
    std::vector<Int> flow;
    std::vector<Window> window;
    std::vector<Int> time;  // potential of each event
    // The tree, by event: what it hangs on and through which arc, its first child, its siblings, and how many events
    // there are from it downwards. Separate arrays, so that each walk touches little memory.
    std::vector<Index> parent, above, child, next, previous, size;
    std::vector<std::uint8_t> marked;

    Network(Index operation_count, const std::vector<Index>& kind, const std::vector<Index>& edges, const Hulls& hulls);

    Int d(Index arc, Index j) const { return durations[points_at[arc] + j]; }
    Int s(Index arc, Index j) const { return slopes[points_at[arc] + arc + j]; }
    Int makespan() const { return time[sink] - time[source]; }
    Int apart(Index arc) const { return time[head[arc]] - time[tail[arc]]; }

    void make_basic(Index arc, Index j) { level[arc] = j; }
    void make_nonbasic(Index arc, Index j) {
        level[arc] = j;
        flow[arc] = s(arc, j);
        window[arc] = {d(arc, j - 1), j > last[arc] ? kInfinite : d(arc, j)};
    }
    // Flow that the tree arc above node v can still take in the direction away from the root (or towards it).
    Int room(Index v, bool away) const {
        const Index a = above[v], j = level[a];
        if ((head[a] == v) != away) return flow[a] - s(a, j + 1);
        return j == 0 ? kInfinite : s(a, j) - flow[a];
    }

    void link(Index v, Index onto, Index arc);
    void unlink(Index v);
    void hang(Index v, Index onto, Index arc);   // make v the root of its part, then its parent's child
    Index cut(Index v);                            // take v's part out of the tree; its size
    void mark(Index root, std::vector<Index>& part);  // list and mark a part of the tree, root first

private:
    std::vector<std::pair<Index, Index>> path_;  // (node, arc above it), reused by hang
    void add_arc(Index from, Index to, const Int* d_first, const Int* s_first, Index k);
    void build_longest_path_tree();
};

inline void Network::add_arc(Index from, Index to, const Int* d_first, const Int* s_first, Index k) {
    tail.push_back(from);
    head.push_back(to);
    points_at.push_back(static_cast<Index>(durations.size()));
    last.push_back(k);
    durations.insert(durations.end(), d_first, d_first + k + 1);
    slopes.push_back(kInfinite);
    slopes.insert(slopes.end(), s_first + 1, s_first + k + 1);
    slopes.push_back(0);
}

inline Network::Network(Index operation_count, const std::vector<Index>& kind, const std::vector<Index>& edges,
                        const Hulls& hulls)
    : operations(operation_count), nodes(2 * operation_count + 2), source(2 * operation_count),
      sink(2 * operation_count + 1) {
    const Int zero = 0;
    std::vector<std::uint8_t> has_before(operations, 0), has_after(operations, 0);
    for (Index i = 0; i < operations; ++i) {
        const Index p = hulls.first[kind[i]];
        add_arc(2 * i, 2 * i + 1, &hulls.duration[p], &hulls.slope[p], hulls.first[kind[i] + 1] - p - 1);
    }
    for (std::size_t e = 0; e + 1 < edges.size(); e += 2) {
        has_after[edges[e]] = has_before[edges[e + 1]] = 1;
        add_arc(2 * edges[e] + 1, 2 * edges[e + 1], &zero, &zero, 0);
    }
    for (Index i = 0; i < operations; ++i) {
        if (!has_before[i]) add_arc(source, 2 * i, &zero, &zero, 0);
        if (!has_after[i]) add_arc(2 * i + 1, sink, &zero, &zero, 0);
    }
    back = static_cast<Index>(tail.size());
    add_arc(sink, source, &zero, &zero, 0);
    arcs = static_cast<Index>(tail.size());
    incidence_first.assign(nodes + 1, 0);
    for (Index a = 0; a < arcs; ++a) ++incidence_first[tail[a] + 1], ++incidence_first[head[a] + 1];
    for (Index v = 0; v < nodes; ++v) incidence_first[v + 1] += incidence_first[v];
    neighbour.resize(2 * static_cast<std::size_t>(arcs));
    through.resize(neighbour.size());
    std::vector<Index> place(incidence_first.begin(), incidence_first.end() - 1);
    for (Index a = 0; a < arcs; ++a) {
        neighbour[place[tail[a]]] = head[a], through[place[tail[a]]++] = 2 * a + 1;
        neighbour[place[head[a]]] = tail[a], through[place[head[a]]++] = 2 * a;
    }
    build_longest_path_tree();
}

// Every operation at its longest hull duration, no flow, events as early as they can be.
inline void Network::build_longest_path_tree() {
    level.assign(arcs, 0);
    flow.assign(arcs, 0);
    window.assign(arcs, {0, kInfinite});
    time.assign(nodes, -1);
    for (auto* link : {&parent, &above, &child, &next, &previous}) link->assign(nodes, -1);
    size.assign(nodes, 1);
    marked.assign(nodes, 0);
    for (Index a = 0; a < arcs; ++a) make_nonbasic(a, last[a] + 1);
    window[back].low = -kInfinite;
    std::vector<Index> waiting(nodes, 0), order{source}, reached_by(nodes, -1);
    for (Index a = 0; a < back; ++a) ++waiting[head[a]];
    order.reserve(nodes);
    time[source] = 0;
    for (std::size_t q = 0; q < order.size(); ++q) {
        const Index u = order[q];
        for (Index k = incidence_first[u]; k < incidence_first[u + 1]; ++k) {
            const Index a = through[k] / 2, v = neighbour[k];
            if (through[k] % 2 == 0 || a == back) continue;
            const Int t = time[u] + d(a, last[a]);
            if (t > time[v]) time[v] = t, reached_by[v] = a;
            if (--waiting[v] == 0) order.push_back(v);
        }
    }
    if (order.size() != static_cast<std::size_t>(nodes)) throw std::invalid_argument("the operations depend on each other in a cycle");
    for (std::size_t q = 1; q < order.size(); ++q) {
        const Index v = order[q], a = reached_by[v];
        link(v, tail[a], a);
        make_basic(a, last[a]);
    }
    for (std::size_t q = order.size() - 1; q > 0; --q) size[parent[order[q]]] += size[order[q]];
}

inline void Network::link(Index v, Index onto, Index arc) {
    parent[v] = onto;
    above[v] = arc;
    next[v] = child[onto];
    previous[v] = -1;
    if (next[v] >= 0) previous[next[v]] = v;
    child[onto] = v;
}

inline void Network::unlink(Index v) {
    if (previous[v] >= 0)
        next[previous[v]] = next[v];
    else
        child[parent[v]] = next[v];
    if (next[v] >= 0) previous[next[v]] = previous[v];
}

inline Index Network::cut(Index v) {
    const Index part = size[v];
    for (Index w = parent[v]; w >= 0; w = parent[w]) size[w] -= part;
    unlink(v);
    parent[v] = above[v] = -1;
    return part;
}

inline void Network::hang(Index v, Index onto, Index arc) {
    path_.clear();
    for (Index w = v; w >= 0; w = parent[w]) path_.emplace_back(w, above[w]);
    const Index total = size[path_.back().first];
    for (std::size_t i = 0; i + 1 < path_.size(); ++i) unlink(path_[i].first);
    Index below = size[v];  // size of the previous node's old part
    size[v] = total;
    for (std::size_t i = 1; i < path_.size(); ++i) {
        const Index w = path_[i].first, old = size[w];
        link(w, path_[i - 1].first, path_[i - 1].second);
        size[w] = total - below;
        below = old;
    }
    link(v, onto, arc);
    for (Index w = onto; w >= 0; w = parent[w]) size[w] += total;
}

inline void Network::mark(Index root, std::vector<Index>& part) {
    part.clear();
    part.push_back(root);
    for (std::size_t q = 0; q < part.size(); ++q) {
        marked[part[q]] = 1;
        for (Index c = child[part[q]]; c >= 0; c = next[c]) part.push_back(c);
    }
}

}  // namespace joulewise
